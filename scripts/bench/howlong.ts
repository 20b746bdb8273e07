import { randomUUID } from 'node:crypto'
import { jobLeases } from '../../src/images/claim-queries.ts'
import { usualOf } from '../../src/spend/how-long.ts'
import type { Pace } from '../../src/spend/pace-queries.ts'
import type { Figure } from './main.ts'
import type { Site } from './site.ts'

const CALLS = 2000
const PER_USER = 4

/** How many pictures are made at once, who asks for two hundred of them in one go, and who for twelve now and then. */
const crowds = [
  { slots: 16, many: 4, few: 28 },
  { slots: 4, many: 1, few: 7 },
]
type Crowd = (typeof crowds)[number]

/** A stream of chances that is the same in each run. */
function chances(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const normal = (chance: () => number) => Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())

/** Seconds that the i-th call takes. */
const gateways: Record<string, (chance: () => number, i: number) => number> = {
  steady: chance => 40 + 30 * chance(),
  'long-tailed': chance => 30 * Math.exp(0.6 * normal(chance)),
  'of two kinds': chance => (chance() < 0.7 ? 25 : 75) + 5 * normal(chance),
  'growing slower': (chance, i) => (30 + (60 * i) / CALLS) * Math.exp(0.3 * normal(chance)),
  'slow by day': (chance, i) => (50 + 25 * Math.sin((2 * Math.PI * i) / 500)) * Math.exp(0.3 * normal(chance)),
  'twice as slow at once, and back': (chance, i) =>
    (Math.floor(i / 500) % 2 ? 60 : 30) * Math.exp(0.3 * normal(chance)),
}

/** How often a call comes within the time that was told before it, and how long people wait for each other. */
export async function howLong(site: Site): Promise<Figure[]> {
  // It makes the tables, and nothing else: what is claimed is claimed here.
  const web = await site.run('web')
  const longest: Figure[] = []
  for (const crowd of crowds) longest.push(await fair(site, crowd))
  await web.stop()
  return [...Object.entries(gateways).map(told), ...longest]
}

function told([name, take]: [string, (typeof gateways)[string]]): Figure {
  const chance = chances(12)
  const work = { keyId: 1, model: 'gpt-image-2', size: '1024x1024', quality: 'high', n: 1, isEdit: false }
  const paces: Pace[] = []
  let [within, of] = [0, 0]
  for (let i = 0; i < CALLS; i++) {
    const seconds = Math.max(1, take(chance, i))
    const usual = usualOf(paces, work)
    if (usual) {
      of++
      if (seconds >= usual.from && seconds <= usual.to) within++
    }
    paces.unshift({ ...work, seconds })
  }
  const share = (within / of) * 100
  return {
    name: `calls within the time that was told, gateway ${name}`,
    target: '75–85 %',
    measured: `${share.toFixed(1)} %`,
    met: share >= 75 && share <= 85,
  }
}

interface Asked {
  id: string
  userId: number
  at: number
  seconds: number
}

/**
 * When each of them is over, against when it would be if its person had an equal share of the slots all the time, alone. By
 * the house's own claim, on a clock of its own.
 */
async function fair(site: Site, { slots, many, few }: Crowd): Promise<Figure> {
  const chance = chances(7)
  const now = Array.from({ length: 12 * few }, (_, i) => ({
    userId: 910_001 + many + Math.floor(i / 12),
    at: 1 + chance() * 1500,
    seconds: 20 + 40 * chance(),
  }))
  const atOnce = Array.from({ length: 200 * many }, (_, i) => ({
    userId: 910_001 + (i % many),
    at: i / 1000,
    seconds: 20 + 40 * chance(),
  }))
  const asked: Asked[] = [...atOnce, ...now]
    .map(each => ({ ...each, id: randomUUID() }))
    .toSorted((a, b) => a.at - b.at)
  await site.db.run(
    `insert into users (id, email, name, role)
     select 910000 + n, 'fair' || n, '', 'user' from generate_series(1, $1::int) n`,
    [many + few],
  )
  const over = await byClaims(site, slots, asked)
  await site.db.run('delete from image_jobs where user_id > 910000')
  await site.db.run('delete from users where id > 910000')
  const share = byShares(slots, asked)
  const ratios = asked.map(({ id, at }) => (over.get(id)! - at) / (share.get(id)! - at))
  const worst = Math.max(...ratios)
  const beyond = ratios.filter(ratio => ratio > 2).length
  return {
    name: `longest wait, in fair shares, ${slots} at once (200 each of ${many}, 12 each of ${few} others)`,
    target: '≤ 2',
    measured: `${worst.toFixed(2)} (mean ${(ratios.reduce((a, b) => a + b) / ratios.length).toFixed(2)}, ${beyond} of ${ratios.length} over 2)`,
    met: worst <= 2,
  }
}

async function byClaims(site: Site, slots: number, asked: readonly Asked[]): Promise<Map<string, number>> {
  const began = new Date()
  const coming = [...asked]
  const byId = new Map(asked.map(each => [each.id, each]))
  const running = new Map<string, number>()
  const over = new Map<string, number>()
  let now = 0
  while (over.size < asked.length) {
    const later = coming.findIndex(({ at }) => at > now)
    await insert(site, began, coming.splice(0, later < 0 ? coming.length : later))
    for (const { id } of await jobLeases.claim(site.db, slots - running.size, { perUser: PER_USER }, 3600)) {
      running.set(id, now + byId.get(id)!.seconds)
    }
    const [first] = [...running].toSorted(([, a], [, b]) => a - b)
    const next = coming[0]?.at ?? Number.POSITIVE_INFINITY
    if (!first || next < first[1]) {
      now = next
      continue
    }
    now = first[1]
    running.delete(first[0])
    over.set(first[0], now)
    await site.db.run(
      `update image_jobs set state = 'done', key_secret = null, called_at = $2, finished_at = $2 where id = $1`,
      [first[0], new Date(began.getTime() + now * 1000)],
    )
  }
  return over
}

async function insert(site: Site, began: Date, jobs: readonly Asked[]): Promise<void> {
  await site.db.run(
    `insert into image_jobs (id, user_id, submission, model, prompt, size, quality, n, format, background, moderation, key_id,
       key_secret, caller_address, caller_user_agent, created_at)
     select id, user_id, gen_random_uuid(), 'gpt-image-2', 'Waits', '1024x1024', 'low', 1, 'png', 'auto', 'auto', user_id,
       '\\x00', '127.0.0.1', 'bench', $2::timestamptz + make_interval(secs => at)
     from jsonb_to_recordset($1::jsonb) as jobs (id uuid, user_id bigint, at float8)`,
    [JSON.stringify(jobs.map(({ id, userId, at }) => ({ id, user_id: userId, at }))), began],
  )
}

/** Whoever has something to make shares the slots evenly with the others who have, at each moment, in one stream each. */
function byShares(slots: number, asked: readonly Asked[]): Map<string, number> {
  const over = new Map<string, number>()
  const lines = new Map<number, (Asked & { left: number })[]>()
  const coming = asked.map(each => ({ ...each, left: each.seconds }))
  let now = 0
  while (over.size < asked.length) {
    while (coming[0] && coming[0].at <= now) {
      const come = coming.shift()!
      lines.set(come.userId, [...(lines.get(come.userId) ?? []), come])
    }
    const busy = [...lines.values()].filter(line => line.length > 0)
    // Nobody has a picture made faster than the gateway makes one, however few others there are.
    const streams = busy.flatMap(line => {
      const share = Math.min(slots / busy.length, PER_USER)
      const side = line.slice(0, Math.ceil(share))
      return side.map(job => ({ job, rate: Math.min(1, share / side.length) }))
    })
    const end = Math.min(
      coming[0]?.at ?? Number.POSITIVE_INFINITY,
      ...streams.map(({ job, rate }) => now + job.left / rate),
    )
    for (const { job, rate } of streams) job.left -= (end - now) * rate
    now = end
    for (const line of busy) {
      for (const job of line.filter(({ left }) => left < 1e-9)) {
        over.set(job.id, now)
        line.splice(line.indexOf(job), 1)
      }
    }
  }
  return over
}
