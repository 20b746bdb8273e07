import { z } from 'zod'
import { type Db, prepared } from '../db/db.ts'
import { windowNames } from '../gateway/windows.ts'
import { atRest } from '../session/queries.ts'
import { uncovered } from '../spend/cover-queries.ts'
import { ImageJob, JobPulse } from './job-queries.ts'
import { lanes } from './lane-queries.ts'
import { isTold, mayGo } from './line-queries.ts'

// Named in the address of a poll, which stays far below the 8 KB that proxies take.
export const UNFINISHED_JOBS = 64

/** Of a queued job: whether it stands in line, or until when it waits for something else. */
const Waiting = z.object({
  id: z.string(),
  waitsUntil: z.date().nullable(),
  /** The window of its key that opens then, if it is that. */
  waitsForWindow: z.enum(windowNames).nullable(),
  /** It is the gateway that asked to slow down until then. */
  slowed: z.boolean(),
  inLine: z.boolean(),
  needsKey: z.boolean(),
  /** US dollars that the balance lacks. `numeric` arrives as text. */
  missing: z.coerce.number().nullable(),
  /** So many are made at once with its key, and are being made. */
  atOnce: z.number().nullable(),
})
export type Waiting = z.output<typeof Waiting>

const WaitingJob = ImageJob.extend(Waiting.shape)
export type WaitingJob = z.output<typeof WaitingJob>

const waiting = `wait.until as waits_until, wait.opens as waits_for_window, coalesce(wait.asked, false) as slowed,
  (state = 'queued' and (not_before is null or not_before <= now()) and ${mayGo} and short.subject is null)
    as in_line, (state = 'queued' and image_jobs.key_looked_at is not null) as needs_key, short.missing,
  case when lane.free <= 0 then lane.at_once end as at_once`

const fromJobs = (userId = '$1') => `from image_jobs left join lateral (
    select until, opens, asked from (
      select image_jobs.not_before, image_jobs.waits_for, image_jobs.retry_at is not null
      union all select told.retry_at, told.waits_for, true from image_jobs told
        where told.key_id = image_jobs.key_id and ${isTold}) times (until, opens, asked)
    where until > now() order by until desc, asked desc, opens limit 1) wait on state = 'queued'
  left join ${uncovered(userId)} short on short.subject = image_jobs.id and state = 'queued'
  left join ${lanes} lane on lane.user_id = image_jobs.user_id and lane.key_id = image_jobs.key_id and state = 'queued'`

/** Of these jobs, those that are queued. */
export function listWaits(db: Db, userId: number, ids: readonly string[]): Promise<Waiting[]> {
  return db.many(
    Waiting,
    `select id, ${waiting} ${fromJobs()} where image_jobs.user_id = $1 and id = any($2) and state = 'queued'`,
    [userId, ids],
  )
}

const WaitingPulse = JobPulse.extend(Waiting.shape)
type WaitingPulse = z.output<typeof WaitingPulse>

const listPulsesSql = prepared(
  `select id, state, version, created_at, lease_until, spilled_by, made_at, cost, cost_until, ${waiting}
   ${fromJobs(atRest)} where image_jobs.user_id = ${atRest} and id = any($2)`,
)

/** Of these jobs, those of whoever has this session, as of `atRest`. */
export function listPulses(db: Db, sid: string, ids: readonly string[]): Promise<WaitingPulse[]> {
  return db.many(WaitingPulse, listPulsesSql, [sid, ids])
}

export function listWaitingById(db: Db, userId: number, ids: readonly string[]): Promise<WaitingJob[]> {
  return db.many(
    WaitingJob,
    `select image_jobs.*, ${waiting} ${fromJobs()} where image_jobs.user_id = $1 and id = any($2)`,
    [userId, ids],
  )
}

/** Those a page goes on asking about, what changes first before what waits longest: not ended, or with the cost still to come. */
export function listUnfinished(db: Db, userId: number, limit: number): Promise<WaitingJob[]> {
  return db.many(
    WaitingJob,
    `select image_jobs.*, ${waiting} ${fromJobs()} where image_jobs.user_id = $1
       and (state in ('queued', 'running') or (cost is null and cost_until > now()))
     order by case state when 'running' then 0 when 'queued' then 1 else 2 end, created_at, id limit $2`,
    [userId, limit],
  )
}
