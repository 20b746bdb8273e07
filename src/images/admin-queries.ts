import { z } from 'zod'
import type { Db } from '../db/db.ts'

export const Tally = z.object({
  queued: z.number(),
  running: z.number(),
  /** Of those, what stands still since a restore. */
  parked: z.number(),
  /** When the oldest of them was asked for. */
  oldest: z.date().nullable(),
})
export type Tally = z.output<typeof Tally>

/** What waits and runs, of everybody. */
export function tallyJobs(db: Db): Promise<Tally> {
  return db.one(
    Tally,
    `select count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running') as running,
       count(*) filter (where parked_at is not null) as parked, min(created_at) as oldest
     from image_jobs where state in ('queued', 'running')`,
  )
}

export const Failures = z.object({
  reason: z.string().nullable(),
  charged: z.string().nullable(),
  count: z.number(),
})
/** How often something ended for one reason; null: nobody knows how it ended. */
export type Failures = z.output<typeof Failures>

export function countFailedJobs(db: Db, hours: number): Promise<Failures[]> {
  return db.many(
    Failures,
    `select failure_reason as reason, charged, count(*) from image_jobs
     where state in ('failed', 'unknown') and finished_at > now() - make_interval(hours => $1)
     group by 1, 2 order by 3 desc, 1, 2`,
    [hours],
  )
}

export const Line = z.object({
  userId: z.number(),
  queued: z.number(),
  running: z.number(),
  oldest: z.date(),
})
/** What of one person waits and runs. */
export type Line = z.output<typeof Line>

/** Who has most in line comes first. `userIds`: of these only. */
export function listJobLines(db: Db, limit: number, userIds: readonly number[] | null = null): Promise<Line[]> {
  return db.many(
    Line,
    `select user_id, count(*) filter (where state = 'queued') as queued,
       count(*) filter (where state = 'running') as running, min(created_at) as oldest
     from image_jobs where state in ('queued', 'running') and ($2::bigint[] is null or user_id = any($2))
     group by user_id order by count(*) desc, user_id limit $1`,
    [limit, userIds],
  )
}

export const Stuck = z.object({
  id: z.string(),
  userId: z.number(),
  /** `lease`: nobody has ended what a worker left; `parked`: since a restore; `spill`: its picture lies at a worker. */
  why: z.enum(['lease', 'parked', 'spill']),
  since: z.date(),
})
/** What does not go on by itself. */
export type Stuck = z.output<typeof Stuck>

/** A lease is renewed four times in its life: one that is so long over, or has so long to go, is nobody's. */
export const stuckLease = (seconds: string) =>
  `(lease_until < now() - make_interval(secs => ${seconds}) or lease_until > now() + make_interval(secs => 2 * ${seconds}))`

export function listStuckJobs(db: Db, leaseSeconds: number, limit: number): Promise<Stuck[]> {
  return db.many(
    Stuck,
    `select id, user_id, created_at as since, case when parked_at is not null then 'parked'
       when spilled_by is not null then 'spill' else 'lease' end as why
     from image_jobs where (state in ('queued', 'running') and parked_at is not null) or spilled_by is not null
       or (lease_until is not null and ${stuckLease('$1')})
     order by created_at limit $2`,
    [leaseSeconds, limit],
  )
}

/** Whoever sweeps next finds them: what was not sent goes on, what was is ended, never sent again. How many those are. */
export async function releaseJobLeases(tx: Db, leaseSeconds: number): Promise<number> {
  await tx.run(`select pg_notify('work', 'image')`)
  return tx.run(
    `update image_jobs set lease_until = now()
     where lease_until is not null and parked_at is null and spilled_by is null and ${stuckLease('$1')}`,
    [leaseSeconds],
  )
}

const Queued = z.object({ id: z.string(), userId: z.number() })

/** What of a person waits, and nobody has begun. */
export function listQueued(db: Db, userId: number): Promise<z.output<typeof Queued>[]> {
  return db.many(Queued, `select id, user_id from image_jobs where user_id = $1 and state = 'queued'`, [userId])
}

/** Seconds from asking to beginning, of these jobs; null for none. */
export async function medianWait(db: Db, ids: readonly string[]): Promise<number | null> {
  const { seconds } = await db.one(
    z.object({ seconds: z.number().nullable() }),
    `select percentile_cont(0.5) within group (order by extract(epoch from started_at - created_at)::float8) as seconds
     from image_jobs where id = any($1::uuid[]) and started_at is not null`,
    [ids],
  )
  return seconds
}
