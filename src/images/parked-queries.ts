import type { Db } from '../db/db.ts'
import { ImageJob } from './job-queries.ts'

/**
 * Ends every parked job that was not sent, as far as the backup knows; those that were are found by the sweep, which sends
 * nothing. Nobody acts on their ends. Answers those whose end somebody waited for.
 */
export async function cancelParked(tx: Db): Promise<Pick<ImageJob, 'id' | 'userId'>[]> {
  const Waited = ImageJob.pick({ id: true, userId: true })
  const waited = await tx.many(Waited, `select id, user_id from image_jobs where parked_at is not null and tells_end`)
  await tx.run(
    `update image_jobs set parked_at = null, version = version + 1, tells_end = false,
       state = case state when 'queued' then 'cancelled' else state end,
       cancel_requested_at = case when finished_at is null then coalesce(cancel_requested_at, now()) else cancel_requested_at end,
       finished_at = case state when 'queued' then now() else finished_at end,
       charged = case state when 'queued' then 'unknown' else charged end,
       key_secret = case state when 'queued' then null else key_secret end,
       lease_until = case when lease_until is not null then now() end
     where parked_at is not null`,
  )
  return waited
}
