import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'

const FIRST_WORDS_MS = 60
const BYTES_PER_BYTE = 3
const QUESTIONS = 40
/** As a fast model writes: about a token each. */
const PIECE = 5
const PIECE_EVERY_MS = 12

/** How long the first words of an answer take from the gateway's socket to the page's, and what an answer costs to send. */
export async function chat(site: Site): Promise<Figure[]> {
  const model = await startModel(site.upstream)
  const environment = { SUB2API_UPSTREAM: model.url }
  const [web, worker] = [await site.run('web', environment), await site.run('worker', environment)]
  const person = await site.signIn(web, 'talker')
  try {
    const { headers } = await person.post('/chat', { text: 'hello' })
    const address = String(headers.location)
    const page = await openPage(web.url, `${address}/events`, person.cookies())
    await page.until(event => event.name === 'e' || event.data.includes('state-done'))

    const delays: number[] = []
    for (let each = 0; each < QUESTIONS; each++) {
      const first = page.until(event => event.name === 't')
      await person.post(`${address}/messages`, { text: `short ${each}` }, { 'HX-Request': 'true' })
      delays.push((await first) - model.firstWordsAt())
      await page.until(event => event.name === 'e')
    }

    // The balance is told of a while after each answer.
    await delay(3_000)
    const before = page.bytes()
    const over = page.until(event => event.name === 'e')
    await person.post(`${address}/messages`, { text: 'long' }, { 'HX-Request': 'true' })
    await over
    await delay(500)
    const row = await site.db.executeSql(`select html from replies order by created_at desc limit 1`)
    const html = Buffer.byteLength((row.rows[0] as { html: string }).html)
    const ratio = (page.bytes() - before) / html
    page.close()
    const p50 = median(delays)
    return [
      {
        name: 'first words of an answer, added delay, p50',
        target: `≤ ${FIRST_WORDS_MS} ms`,
        measured: `${p50.toFixed(1)} ms`,
        met: p50 <= FIRST_WORDS_MS,
      },
      {
        name: `bytes sent for an answer of ${(html / 1000).toFixed(1)} kB of HTML, question and buttons included`,
        target: `≤ ${BYTES_PER_BYTE} ×`,
        measured: `${ratio.toFixed(2)} ×`,
        met: ratio <= BYTES_PER_BYTE,
      },
    ]
  } finally {
    await Promise.all([web.stop(), worker.stop()])
    model.close()
  }
}

const paragraph =
  'Low evening light from the left gives a face **depth**; say so in `few words`, and name the [lens](https://example.com) too.'
const long = Array.from({ length: 24 }, (_, index) =>
  index % 6 === 5 ? '```ts\nconst edge = Math.max(width, height)\nreturn edge <= 1024\n```' : `${paragraph} ${index}`,
).join('\n\n')

/** A model that notes when it writes its first words; whatever else is asked goes to the mock gateway. */
async function startModel(upstream: string) {
  let wroteAt = 0
  const server = createServer((req, res) => void (req.url === '/v1/responses' ? answer(req, res) : forward(req, res)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const asked = (await buffer(req)).toString()
    const isTitle = asked.includes('"instructions":"Give this conversation a title')
    const isLong = asked.lastIndexOf('"long"') > asked.lastIndexOf('"short')
    const text = isTitle ? 'Talk' : isLong ? long : 'A few words, and no more.'
    res.writeHead(200, { 'Content-Type': 'text/event-stream' })
    const send = (event: object) => res.write(`data: ${JSON.stringify(event)}\n\n`)
    send({ type: 'response.created', response: {} })
    await delay(30)
    if (!isTitle) wroteAt = performance.now()
    for (let at = 0; at < text.length; at += PIECE) {
      send({ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: text.slice(at, at + PIECE) })
      await delay(PIECE_EVERY_MS)
    }
    send({ type: 'response.completed', response: { output: [], usage: { input_tokens: 10, output_tokens: 10 } } })
    res.end()
  }

  async function forward(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await buffer(req)
    const passed = Object.entries(req.headers).filter(([name]) => !/^(host|connection|content-length)$/.test(name))
    const headers = passed.map(([name, value]): [string, string] => [name, String(value)])
    const reply = await fetch(upstream + req.url, { method: req.method!, headers, ...(body.length > 0 && { body }) })
    res.writeHead(reply.status, { 'Content-Type': reply.headers.get('content-type') ?? '' })
    res.end(Buffer.from(await reply.arrayBuffer()))
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    firstWordsAt: () => wroteAt,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Heard {
  name: string
  data: string
}

/** An open page: hears the events of its stream. */
export async function openPage(url: string, path: string, cookie: string) {
  const stop = new AbortController()
  const waiting = new Set<{ wanted: (event: Heard) => boolean; done: (at: number) => void }>()
  let bytes = 0
  const reply = await fetch(url + path, { headers: { cookie, 'HX-Request': 'true' }, signal: stop.signal })
  void read().catch(() => undefined)

  async function read(): Promise<void> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of reply.body!) {
      bytes += chunk.length
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = parts.pop()!
      for (const part of parts) hear({ name: /^event:(\w+)/m.exec(part)?.[1] ?? '', data: part })
    }
  }

  function hear(event: Heard): void {
    for (const each of waiting) {
      if (!each.wanted(event)) continue
      waiting.delete(each)
      each.done(performance.now())
    }
  }

  return {
    bytes: () => bytes,
    /** When the next such event came, on the clock of `performance.now()`. */
    until: (wanted: (event: Heard) => boolean) => new Promise<number>(done => waiting.add({ wanted, done })),
    close: () => stop.abort(),
  }
}
