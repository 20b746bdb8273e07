import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** What waits ends; what runs is brought home, but not sent (again) any more. */
export async function withdrawAll(tx: Db, userId: number): Promise<void> {
  await tx.run(
    `update image_jobs set withdrawn_at = coalesce(withdrawn_at, now()), version = version + 1,
       state = case state when 'queued' then 'cancelled' else state end,
       finished_at = case state when 'queued' then now() end,
       charged = case state when 'queued' then 'no' end,
       key_secret = case state when 'running' then key_secret end
     where user_id = $1 and state in ('queued', 'running')`,
    [userId],
  )
}

export async function countUnended(tx: Db, userId: number): Promise<number> {
  const { count } = await tx.one(
    z.object({ count: z.number() }),
    `select count(*) from image_jobs where user_id = $1 and state in ('queued', 'running')`,
    [userId],
  )
  return count
}

/** Under which bytes may lie that never became a file. */
export async function listTokensUnfiled(tx: Db, userId: number): Promise<string[]> {
  const rows = await tx.many(
    z.object({ token: z.string() }),
    `select distinct token from image_jobs, unnest(tokens) as token where user_id = $1 and state <> 'done'`,
    [userId],
  )
  return rows.map(({ token }) => token)
}

/** With their previews, masks, batches and drafts. */
export async function deleteJobs(tx: Db, userId: number): Promise<void> {
  await tx.run(`delete from image_previews where job_id in (select id from image_jobs where user_id = $1)`, [userId])
  await tx.run(`delete from image_jobs where user_id = $1`, [userId])
  await tx.run(`delete from image_batches where user_id = $1`, [userId])
  await tx.run(`delete from image_masks where user_id = $1`, [userId])
  await tx.run(`delete from image_drafts where user_id = $1`, [userId])
  await tx.run(`delete from kept_drafts where user_id = $1`, [userId])
  await tx.run(`delete from edit_billing where user_id = $1`, [userId])
  await tx.run(`delete from key_lanes where user_id = $1`, [userId])
}
