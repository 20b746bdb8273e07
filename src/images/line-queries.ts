import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { type WindowName, windowNames } from '../gateway/windows.ts'
import type { Blockage } from './readiness-queries.ts'

// What was made and waits for the store keeps nobody's next picture waiting.
export const busy = `select user_id, count(*) as running from image_jobs where state = 'running' and made_at is null group by user_id`

// Told to come again later, a key is not used for other jobs before that either. A limit that is used up is no such
// wait: each job is told of it, and ends.
export const isTold = `told.retry_at > now() and coalesce(told.failure_reason, '') not in ('key_quota', 'account_quota', 'subscription')`
export const keyMayBeUsed = `not exists (select from image_jobs told where told.key_id = image_jobs.key_id and ${isTold})`

// What waits for its time, for its key's, or for its batch to go on, is passed over.
export const claimable = `state = 'queued' and (not_before is null or not_before <= now()) and ${keyMayBeUsed}
  and not exists (select from image_batches b where b.id = image_jobs.batch_id and b.state = 'paused')`

/** Places are told up to this one. */
export const LINE_LENGTH = 99

export interface Wait {
  /**
   * In the queue, from 1, or one above `LINE_LENGTH` for whatever stands behind; null for what waits for its time or for
   * its batch, or has just come.
   */
  place: number | null
  /** Nothing is sent before: the gateway told the job, or another of its key, to come again then. */
  until: Date | null
  /** The window of its key that opens then, if it is that. */
  window: WindowName | null
  /** Why nothing that stands in line is begun. */
  blocked: Blockage | null
}

/** The front of the line, in the order of `claimJobs`: everybody's first job, then everybody's second, and so on. */
export function listLine(db: Db): Promise<{ id: string; place: number }[]> {
  return db.many(
    z.object({ id: z.string(), place: z.number() }),
    `with busy as (${busy}),
       waiting as (
         select id, created_at,
           coalesce(running, 0) + row_number() over (partition by user_id order by created_at, id) as turn
         from image_jobs left join busy using (user_id)
         where ${claimable})
     select id, row_number() over (order by turn, created_at, id) as place from waiting
     order by turn, created_at, id limit $1`,
    [LINE_LENGTH],
  )
}

const QueuedJob = z.object({
  id: z.string(),
  until: z.date().nullable(),
  window: z.enum(windowNames).nullable(),
  inLine: z.boolean(),
})

/** Of these jobs, those that are queued: whether they stand in line, or until when they wait for something else. */
export function listWaits(db: Db, userId: number, ids: readonly string[]): Promise<z.output<typeof QueuedJob>[]> {
  return db.many(
    QueuedJob,
    `select id, until, opens as window, (${claimable}) as in_line from image_jobs left join lateral (
       select until, opens from (
         select image_jobs.not_before, image_jobs.waits_for
         union all select told.retry_at, told.waits_for from image_jobs told
           where told.key_id = image_jobs.key_id and ${isTold}) times (until, opens)
       where until > now() order by until desc, opens limit 1) wait on true
     where user_id = $1 and id = any($2) and state = 'queued'`,
    [userId, ids],
  )
}
