import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type RequestOptions, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Writable } from 'node:stream'
import { z } from 'zod'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Process, Site } from './site.ts'

const PART = randomBytes(64 * 1024)
const PARTS = 1024
const EVENT = `data: ${JSON.stringify({ type: 'response.output_text.delta', delta: 'word ' })}\n\n`
const EVENTS = 40_000
const QUESTIONS = 1500
const AT_ONCE = 16
const ROUNDS = 5
const LEAST_PERCENT = 70

/** How much is left of the gateway's pace when a tool comes by way of the pass-through: large answers, streams, uploads, questions. */
export async function proxy(site: Site): Promise<Figure[]> {
  const gateway = createServer((req, res) => void answer(req, res))
  await new Promise<void>(resolve => gateway.listen(0, '127.0.0.1', resolve))
  const direct = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
  const bytes = await site.run('web', { SUB2API_UPSTREAM: direct, SUB2API_PROXY: 'true' })
  const words = await site.run('web', { SUB2API_PROXY: 'true' })
  const key = await keyAt(site.upstream)
  try {
    type Work = [name: string, unit: string, direct: string, web: Process, run: (url: string) => Promise<number>]
    const work: Work[] = [
      ['a large answer', 'MB/s', direct, bytes, url => large(`${url}/v1/large`)],
      ['a stream of small events', 'events/s', direct, bytes, url => streamed(`${url}/v1/stream`)],
      ['an upload', 'MB/s', direct, bytes, url => upload(`${url}/v1/images/edits`)],
      [
        `${AT_ONCE} tools that ask for models`,
        'requests/s',
        site.upstream,
        words,
        url => questions(`${url}/v1/models`, key),
      ],
    ]
    const figures: Figure[] = []
    for (const [name, unit, direct, web, run] of work) {
      const paces: [number, number][] = []
      await run(direct)
      await run(web.url)
      for (let round = 0; round < ROUNDS; round++) paces.push([await run(direct), await run(web.url)])
      const [alone, through] = [0, 1].map(which => median(paces.map(pair => pair[which]!))) as [number, number]
      const percent = (through / alone) * 100
      figures.push({
        name: `pass-through, ${name}, of the direct pace`,
        target: `≥ ${LEAST_PERCENT} %`,
        measured: `${percent.toFixed(0)} % (${through.toFixed(0)} of ${alone.toFixed(0)} ${unit})`,
        met: percent >= LEAST_PERCENT,
      })
    }
    return figures
  } finally {
    await Promise.all([bytes.stop(), words.stop()])
    gateway.closeAllConnections()
    gateway.close()
  }
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.url === '/v1/large') {
    await write(res, PART, PARTS)
  } else if (req.url === '/v1/stream') {
    res.setHeader('Content-Type', 'text/event-stream')
    await write(res, EVENT, EVENTS)
  } else {
    for await (const _ of req);
    res.write('{"object":"list","data":[]}')
  }
  res.end()
}

async function write(to: Writable, part: Buffer | string, times: number): Promise<void> {
  for (let time = 0; time < times; time++) if (!to.write(part)) await once(to, 'drain')
}

async function large(url: string): Promise<number> {
  const started = performance.now()
  return (await ask(url)) / 1e6 / seconds(started)
}

async function streamed(url: string): Promise<number> {
  const started = performance.now()
  await ask(url)
  return EVENTS / seconds(started)
}

async function upload(url: string): Promise<number> {
  const started = performance.now()
  await ask(url, { method: 'POST' }, PARTS)
  return (PARTS * PART.length) / 1e6 / seconds(started)
}

/** An API key of somebody at the mock gateway. */
async function keyAt(gateway: string): Promise<string> {
  const body = JSON.stringify({ email: 'tools@example.com', password: 'any password will do' })
  const headers = { 'Content-Type': 'application/json' }
  const login = await fetch(`${gateway}/api/v1/auth/login`, { method: 'POST', headers, body })
  const { data } = z.object({ data: z.object({ access_token: z.string() }) }).parse(await login.json())
  const keys = await fetch(`${gateway}/api/v1/keys`, { headers: { Authorization: `Bearer ${data.access_token}` } })
  const Keys = z.object({
    data: z.object({ items: z.array(z.object({ key: z.string(), group_id: z.number().nullable() })) }),
  })
  return Keys.parse(await keys.json()).data.items.find(each => each.group_id !== null)!.key
}

async function questions(url: string, key: string): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const started = performance.now()
  const one = async () => {
    for (let asked = 0; asked < QUESTIONS / AT_ONCE; asked++)
      await ask(url, { agent, headers: { authorization: `Bearer ${key}` } })
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  agent.destroy()
  return QUESTIONS / seconds(started)
}

/** The length of the answer in bytes. */
function ask(url: string, options: RequestOptions = {}, parts = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, options, answer => {
      let bytes = 0
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      answer.once('end', () => (answer.statusCode === 200 ? resolve(bytes) : reject(new Error(`${answer.statusCode}`))))
      answer.once('error', reject)
    })
    asked.once('error', reject)
    void write(asked, PART, parts).then(() => asked.end())
  })
}

function seconds(started: number): number {
  return (performance.now() - started) / 1000
}
