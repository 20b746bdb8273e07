import type { WindowName } from '../gateway/windows.ts'
import { uncovered } from '../spend/cover-queries.ts'
import type { Blockage } from './readiness-queries.ts'

// Told to come again later, a key is not used for other jobs before that either. A limit that is used up is no such
// wait: each job is told of it, and ends.
export const isTold = `told.retry_at > now() and coalesce(told.failure_reason, '') not in ('key_quota', 'account_quota', 'subscription')`
export const keyMayBeUsed = `not exists (select from image_jobs told where told.key_id = image_jobs.key_id and ${isTold})`

// What waits for its key's time, for another key, for its batch to go on, or for the operator, is passed over.
export const mayGo = `image_jobs.parked_at is null and image_jobs.key_looked_at is null and ${keyMayBeUsed}
  and not exists (select from image_batches b where b.id = image_jobs.batch_id and b.state = 'paused')`

// And what the balance does not cover.
export const ready = `${mayGo} and image_jobs.id not in (select subject from ${uncovered()} uncovered)`

/** Places are told up to this one. */
export const LINE_LENGTH = 99

export interface Wait {
  /**
   * In the queue, from 1, or one above `LINE_LENGTH` for whatever stands behind; null for what waits for its time or for
   * its batch, or has just come.
   */
  place: number | null
  /** It is the first, and nothing is made for anybody just now: it begins at once. */
  isStarting: boolean
  /** Nothing is sent before: the gateway told the job, or another of its key, to come again then. */
  until: Date | null
  /** The window of its key that opens then, if it is that. */
  window: WindowName | null
  /** The gateway asked to slow down until then. */
  slowed: boolean
  /** The gateway refused its key: it waits for that, or for another one. */
  needsKey: boolean
  /** US dollars that the balance would have to have more; null where it covers the job, or is not known. */
  missing: number | null
  /** The gateway makes so many at once with its key, and makes them; null where one more may be begun. */
  atOnce: number | null
  /** Why nothing that stands in line is begun. */
  blocked: Blockage | null
}
