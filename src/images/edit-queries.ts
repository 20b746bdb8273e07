import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** Whether the last edit with previews was billed by tokens; null when none of this key was. */
export async function findEditBilling(db: Db, userId: number, keyId: number): Promise<boolean | null> {
  const row = await db.maybeOne(
    z.object({ byTokens: z.boolean() }),
    `select by_tokens from edit_billing where user_id = $1 and key_id = $2`,
    [userId, keyId],
  )
  return row?.byTokens ?? null
}

/** How the usage row of a job says it was billed: kept for the key, when the job was an edit with previews. */
export async function noteEditBilling(tx: Db, jobId: string, byTokens: boolean): Promise<void> {
  await tx.run(
    `insert into edit_billing (user_id, key_id, by_tokens)
     select user_id, key_id, $2 from image_jobs where id = $1 and reference_tokens <> '{}' and previews > 0
     on conflict (user_id, key_id) do update set by_tokens = excluded.by_tokens, seen_at = now()`,
    [jobId, byTokens],
  )
}

/** Of a line on which nothing came: what lies on the way to a gateway gives up after a minute or two. */
export const SILENT_SECONDS = 60

/** Edits of the last day without previews that were given up waiting for; or cut off, without a word, after so long. */
export function countSilentEdits(db: Db): Promise<{ certain: number; likely: number }> {
  return db.one(
    z.object({ certain: z.number(), likely: z.number() }),
    `select count(*) filter (where failure_reason = 'timeout') as certain,
       count(*) filter (where failure_reason = 'gateway_down' and state = 'unknown'
         and finished_at - called_at >= make_interval(secs => $1)) as likely
     from image_jobs where failure_reason in ('timeout', 'gateway_down') and finished_at > now() - interval '1 day'
       and reference_tokens <> '{}' and previews = 0`,
    [SILENT_SECONDS],
  )
}
