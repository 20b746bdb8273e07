import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import type { ImageJob } from './job-queries.ts'

// One more is tried after so long without a refusal, which costs nothing.
const STEP_SECONDS = 300

const atOnce = `at_once + floor(extract(epoch from now() - learned_at) / ${STEP_SECONDS})::int`

/**
 * As rows of `user_id`, `key_id`, `at_once` and `free`: how many pictures the gateway was seen to make at once with a key,
 * and how many more may be begun. What was learnt a day ago holds nothing back.
 */
export const lanes = `(
  select user_id, key_id, ${atOnce} as at_once, ${atOnce} - (
      select count(*) from image_jobs under_way
      where under_way.user_id = key_lanes.user_id and under_way.key_id = key_lanes.key_id
        and under_way.state = 'running' and under_way.made_at is null and under_way.parked_at is null) as free
  from key_lanes where learned_at > now() - interval '1 day')`

/** Waited for before one that was refused is taken back: of two that are refused together, neither counts the other. */
export const lanesLock = lockOfPerson('lanes', 741_003)

/** The gateway made no more at once: in the transaction that takes this one back, behind `lanesLock`. */
export async function noteLane(tx: Db, { userId, keyId }: Pick<ImageJob, 'userId' | 'keyId'>): Promise<void> {
  await tx.run(
    `insert into key_lanes (user_id, key_id, at_once)
     select $1, $2, greatest(1, count(*)) from image_jobs
     where user_id = $1 and key_id = $2 and state = 'running' and called_at is not null and made_at is null
       and parked_at is null
     on conflict (user_id, key_id) do update set at_once = excluded.at_once, learned_at = now()`,
    [userId, keyId],
  )
}

export async function deleteOldLanes(db: Db): Promise<number> {
  return db.run(`delete from key_lanes where learned_at < now() - interval '1 day'`)
}
