import type { Db } from '../db/db.ts'
import { jobLeases } from './claim-queries.ts'
import type { ImageJob } from './job-queries.ts'
import { LINE_LENGTH, listWaits, type Wait } from './line-queries.ts'
import { type Blockage, findBlockage } from './readiness-queries.ts'

/** The front of everybody's line, as this process asked for it last. */
interface Line {
  places: ReadonlyMap<string, number>
  blocked: Blockage | null
  at: Date
}

// However many pages ask: the line goes over all that waits, of everybody.
const KEPT_MS = 1000
const lines = new WeakMap<Db, { line: Promise<Line>; keptUntil: number }>()

/** What each of these jobs of one person that is queued waits for. A new one has its place within a second. */
export async function waitsOf(db: Db, userId: number, jobs: readonly ImageJob[]): Promise<Map<string, Wait>> {
  const queued = jobs.filter(job => job.state === 'queued')
  if (queued.length === 0) return new Map()
  const ids = queued.map(job => job.id)
  const [line, waits] = [await lineOf(db), await listWaits(db, userId, ids)]
  const createdAt = new Map(queued.map(job => [job.id, job.createdAt]))
  return new Map(
    waits.map(({ id, until, window, inLine }) => {
      const isBehind = line.places.size >= LINE_LENGTH && createdAt.get(id)! < line.at
      const place = line.places.get(id) ?? (isBehind ? LINE_LENGTH + 1 : null)
      return [id, { until, window, place: inLine ? place : null, blocked: inLine ? line.blocked : null }]
    }),
  )
}

function lineOf(db: Db): Promise<Line> {
  const known = lines.get(db)
  if (known && performance.now() < known.keptUntil) return known.line
  const asked = { line: askLine(db), keptUntil: Number.POSITIVE_INFINITY }
  lines.set(db, asked)
  const keep = (ms: number) => {
    asked.keptUntil = performance.now() + ms
  }
  asked.line.then(
    () => keep(KEPT_MS),
    () => keep(0),
  )
  return asked.line
}

async function askLine(db: Db): Promise<Line> {
  const at = new Date()
  const rows = await jobLeases.listLine(db, LINE_LENGTH)
  return { places: new Map(rows.map(row => [row.id, row.place])), blocked: await findBlockage(db), at }
}
