import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Process, Site } from './site.ts'
import { cpuMs } from './usage.ts'

const CREATE_MS = 10
const CREATE_CPU_MS = 5
const POLL_MS = 2
const POLL_CPU_MS = 0.6
const POLL_BYTES = 400

/** How long it takes to put a picture into the queue: parse, price, seal the key, row and message on disk, answer. */
export async function create(site: Site): Promise<Figure[]> {
  const web = await site.run('web')
  const person = await site.signIn(web, 'creator')
  const times: number[] = []
  const cpu = meter(web)
  for (let each = 0; each < 220; each++) {
    if (each === 20) await cpu.begin()
    const form = { prompt: `A lighthouse in the rain ${each}`, submission: randomUUID(), n: '1' }
    const { status, ms } = await person.post('/images', form, { 'HX-Request': 'true' })
    if (status !== 200) throw new Error(`create answered ${status}`)
    times.push(ms)
    // Nobody makes them here, and the answer lists what waits.
    await site.db.run('delete from image_jobs')
  }
  const perCreate = await cpu.per(200)
  await web.stop()
  return [asFigure('create', times.slice(20), CREATE_MS), cpuFigure('create', perCreate, CREATE_CPU_MS)]
}

/** What a page asks every second while a picture is being made, when nothing has changed. */
export async function poll(site: Site): Promise<Figure[]> {
  const [web, worker] = [await site.run('web'), await site.run('worker')]
  const person = await site.signIn(web, 'watcher')
  await person.post('/images', { prompt: 'A picture that takes for ever #hang', submission: randomUUID() })
  let address = await settledPoll()
  const times: number[] = []
  let bytes = 0
  const cpu = meter(web)
  for (let each = 0; each < 2200; each++) {
    if (each === 200) await cpu.begin()
    const answer = await person.get(address, { 'HX-Request': 'true' })
    if (answer.status !== 204) {
      // A worker that others keep from its core was late with a preview.
      address = await settledPoll()
      continue
    }
    times.push(answer.ms)
    bytes = Math.max(bytes, answer.wire)
  }
  const perPoll = await cpu.per(2000)
  await Promise.all([web.stop(), worker.stop()])
  await site.db.run('delete from image_jobs')
  return [
    asFigure('unchanged poll', times.slice(200), POLL_MS),
    cpuFigure('unchanged poll', perPoll, POLL_CPU_MS),
    {
      name: 'unchanged poll, bytes with headers',
      target: `≤ ${POLL_BYTES} B`,
      measured: `${bytes} B`,
      met: bytes <= POLL_BYTES,
      value: bytes,
    },
  ]

  /** The address the page polls, once the last preview is there and nothing changes any more. */
  async function settledPoll(): Promise<string> {
    for (let unchanged = 0, last = ''; ; ) {
      const { text } = await person.get('/images')
      const address = /hx-get="(\/images\/tiles\?[^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&') ?? ''
      unchanged = address !== '' && address === last ? unchanged + 1 : 0
      last = address
      if (unchanged === 10) return address
      await delay(100)
    }
  }
}

function asFigure(name: string, times: number[], target: number): Figure {
  const p50 = median(times)
  const p95 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)]!
  return {
    name: `${name}, median`,
    target: `≤ ${target} ms`,
    measured: `${p50.toFixed(2)} ms (95 %: ${p95.toFixed(2)})`,
    met: p50 <= target,
    value: p50,
  }
}

function cpuFigure(name: string, value: number, target: number): Figure {
  const measured = `${value.toFixed(2)} ms`
  return { name: `${name}, CPU of the web process`, target: `≤ ${target} ms`, measured, met: value <= target, value }
}

function meter({ pid }: Process) {
  let from = 0
  return {
    async begin() {
      from = await cpuMs(pid)
    },
    per: async (count: number) => ((await cpuMs(pid)) - from) / count,
  }
}
