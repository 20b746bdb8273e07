import type { Db } from '../db/db.ts'
import { jobLeases } from './claim-queries.ts'
import type { ImageJob } from './job-queries.ts'
import { LINE_LENGTH, type Wait } from './line-queries.ts'
import { findReadiness, type Readiness } from './readiness-queries.ts'
import { listWaits, type Waiting, type WaitingJob } from './wait-queries.ts'

/** The front of everybody's line, as this process asked for it last. */
interface Line extends Readiness {
  places: ReadonlyMap<string, number>
  at: Date
}

// However many pages ask: the line goes over all that waits, of everybody.
const KEPT_MS = 1000
const lines = new WeakMap<Db, { line: Promise<Line>; keptUntil: number }>()

/**
 * What each of these jobs of one person that is queued waits for; what came with a job is not asked again. A new one has
 * its place within a second.
 */
export async function waitsOf(
  db: Db,
  userId: number,
  jobs: readonly (ImageJob | WaitingJob)[],
): Promise<Map<string, Wait>> {
  const waits = new Map(jobs.flatMap((job): [string, Waiting][] => ('inLine' in job ? [[job.id, job]] : [])))
  const ids = jobs.filter(job => job.state === 'queued' && !waits.has(job.id)).map(job => job.id)
  if (ids.length > 0) for (const wait of await listWaits(db, userId, ids)) waits.set(wait.id, wait)
  return placesOf(
    db,
    jobs.flatMap(({ id, state, createdAt }) => {
      const wait = waits.get(id)
      return wait ? [{ ...wait, state, createdAt }] : []
    }),
  )
}

/** The same of jobs that all came with what they wait for. */
export async function placesOf(
  db: Db,
  jobs: readonly (Waiting & Pick<ImageJob, 'state' | 'createdAt'>)[],
): Promise<Map<string, Wait>> {
  const queued = jobs.filter(job => job.state === 'queued')
  if (queued.length === 0) return new Map()
  const line = await lineOf(db)
  return new Map(
    queued.map(({ id, createdAt, waitsUntil: until, waitsForWindow: window, inLine, ...wait }) => {
      const isBehind = line.places.size >= LINE_LENGTH && createdAt < line.at
      const place = line.places.get(id) ?? (isBehind ? LINE_LENGTH + 1 : null)
      const blocked = inLine ? line.blocked : null
      const isStarting = inLine && line.idle && place === 1
      const { slowed, needsKey, missing } = wait
      const atOnce = inLine ? wait.atOnce : null
      return [
        id,
        { until, window, slowed, place: inLine ? place : null, isStarting, needsKey, missing, atOnce, blocked },
      ]
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

/** It has just been changed. */
export function forgetLine(db: Db): void {
  lines.delete(db)
}

async function askLine(db: Db): Promise<Line> {
  const at = new Date()
  const [rows, readiness] = await Promise.all([jobLeases.listLine(db, LINE_LENGTH), findReadiness(db)])
  return { places: new Map(rows.map(row => [row.id, row.place])), ...readiness, at }
}
