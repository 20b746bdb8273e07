import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { openPage } from './chat.ts'
import type { Figure } from './main.ts'
import type { Process, Site } from './site.ts'
import { memoryMb } from './usage.ts'
import type { Answer, Visitor } from './visitor.ts'

const PEOPLE = 500
const TURNING = 50
const TALKING = 50
const PAINTERS = 40
const EVERY_MS = 2_000
const WARM_MS = 6_000
const MEASURED_MS = 24_000
const PICTURE_MS = 1_000
const fragment = { 'HX-Request': 'true' }
const targets: { rate: number; poll: number; page: number; create: number | null }[] = [
  { rate: 5, poll: 100, page: 200, create: 250 },
  { rate: 10, poll: 100, page: 200, create: 250 },
  { rate: 20, poll: 150, page: 200, create: null },
]

interface Heard {
  polls: number[]
  pages: number[]
  creates: number[]
  refused: number
  errors: string[]
}

/**
 * Five hundred people watch their pages, a tenth of them turning one and fifty with a conversation open, while pictures
 * are asked for: everything, this driver and the gateway too, on the cores of one machine.
 */
export async function load(site: Site): Promise<Figure[]> {
  const app = await site.run('all', {
    PLAYGROUND_RUNNING_PER_USER: '100',
    PLAYGROUND_RUNNING_TOTAL: '1000',
    PLAYGROUND_WORKER_CONCURRENCY: '64',
  })
  const people = await signInAll(site, app, PEOPLE, 'watcher')
  const painters = await signInAll(site, app, PAINTERS, 'painter')
  await waitSomewhere(site)
  const polls = await inParts(people, addressOfPoll)
  const streams = await inParts(people.slice(0, TALKING), person => talk(app, person))
  await site.latency(PICTURE_MS)
  const figures: Figure[] = []
  for (const target of targets) {
    const before = (await memoryMb(app.pid)).now
    const heard: Heard = { polls: [], pages: [], creates: [], refused: 0, errors: [] }
    const made = await countDone(site)
    const seconds = (WARM_MS + MEASURED_MS) / 1000
    await run(people, polls, painters, target.rate, heard)
    const rate = ((await countDone(site)) - made) / seconds
    const after = (await memoryMb(app.pid)).now
    await settle(site)
    figures.push(...asFigures(target, heard, { rate, before, after }))
  }
  for (const stream of streams) stream.close()
  await app.stop()
  await site.latency(0)
  await site.db.run('delete from image_jobs')
  return figures
}

async function run(
  people: readonly Visitor[],
  polls: readonly string[],
  painters: readonly Visitor[],
  rate: number,
  heard: Heard,
): Promise<void> {
  const end = performance.now() + WARM_MS + MEASURED_MS
  const measuredFrom = performance.now() + WARM_MS
  const ask = async (into: number[], expected: number, request: () => Promise<Answer>) => {
    const isMeasured = performance.now() >= measuredFrom
    try {
      const { status, ms } = await request()
      if (status === 503) heard.refused++
      else if (status !== expected) heard.errors.push(String(status))
      if (isMeasured) into.push(ms)
    } catch (error) {
      heard.errors.push(String(error))
    }
  }
  const every = async (ms: number, request: () => Promise<void>) => {
    await delay(Math.random() * ms)
    while (performance.now() < end) {
      const next = performance.now() + ms
      await request()
      await delay(Math.max(0, next - performance.now()))
    }
  }
  const create = (person: Visitor) =>
    person.post('/images', { prompt: `Under load ${randomUUID()}`, submission: randomUUID(), n: '1' }, fragment)
  await Promise.all([
    ...people.map((person, index) =>
      every(EVERY_MS, () => ask(heard.polls, 204, () => person.get(polls[index]!, fragment))),
    ),
    ...people
      .slice(-TURNING)
      .map((person, index) =>
        every(EVERY_MS, () => ask(heard.pages, 200, () => person.get(index % 2 ? '/images' : '/library'))),
      ),
    ...painters.map(person =>
      every((painters.length / rate) * 1000, () => ask(heard.creates, 200, () => create(person))),
    ),
  ])
}

function asFigures(
  { rate, poll, page, create }: (typeof targets)[number],
  { polls, pages, creates, refused, errors }: Heard,
  { rate: made, before, after }: { rate: number; before: number; after: number },
): Figure[] {
  const beside = `beside ${rate} pictures a second`
  const figure = (name: string, values: number[], target: number | null): Figure => {
    const [p50, p99] = [percentile(values, 0.5), percentile(values, 0.99)]
    return {
      name: `${name}, ${beside}, 99 %`,
      target: target === null ? '–' : `≤ ${target} ms`,
      measured: `${p99.toFixed(0)} ms (50 %: ${p50.toFixed(0)})`,
      met: target === null || p99 <= target,
      value: p99,
    }
  }
  const kinds = [...new Set(errors)].join(', ')
  return [
    figure(`poll of ${PEOPLE} people`, polls, poll),
    figure('page', pages, page),
    figure('create', creates, create),
    {
      name: `errors, ${beside}; made`,
      target: '0',
      measured: `${errors.length} ${kinds} (${refused} told to come again); ${made.toFixed(1)} /s`,
      met: errors.length === 0,
      value: made,
      more: true,
    },
    {
      name: `memory after that, ${beside}`,
      target: '–',
      measured: `${after.toFixed(0)} MB (before: ${before.toFixed(0)})`,
      met: true,
      value: after,
    },
  ]
}

function signInAll(site: Site, app: Process, count: number, name: string): Promise<Visitor[]> {
  const names = Array.from({ length: count }, () => `${name}-${randomUUID()}`)
  return inParts(names, each => site.signIn(app, each))
}

/** A picture each, which waits until tomorrow: there is something to poll for, and nothing to make. */
async function waitSomewhere(site: Site): Promise<void> {
  await site.db.run(
    `insert into image_jobs (id, user_id, submission, model, prompt, size, quality, n, format, background, moderation, key_id,
       key_secret, caller_address, caller_user_agent, not_before)
     select gen_random_uuid(), id, gen_random_uuid(), 'gpt-image-2', 'Waits', '1024x1024', 'low', 1, 'png', 'auto', 'auto', id,
       '\\x00', '127.0.0.1', 'bench', now() + interval '1 day'
     from users where email like 'watcher-%'`,
  )
}

async function addressOfPoll(person: Visitor): Promise<string> {
  const { text } = await person.get('/images')
  return (/hx-get="(\/images\/tiles\?[^"]+)"/.exec(text)?.[1] ?? '').replaceAll('&amp;', '&')
}

async function talk(app: Process, person: Visitor) {
  const { headers } = await person.post('/chat', { text: 'hello' })
  return openPage(app.url, `${String(headers.location)}/events`, person.cookies())
}

async function inParts<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < all.length; at += 16) results.push(...(await Promise.all(all.slice(at, at + 16).map(work))))
  return results
}

const Count = z.object({ count: z.number() })

async function countDone(site: Site): Promise<number> {
  return (await site.db.one(Count, `select count(*) from image_jobs where state = 'done'`)).count
}

async function settle(site: Site): Promise<void> {
  const open = `select count(*) from image_jobs where state = 'running' or (state = 'queued' and not_before is null)`
  while ((await site.db.one(Count, open)).count > 0) await delay(200)
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
