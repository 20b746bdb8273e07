import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Id = z.object({ id: z.string() })
const Dismissed = z.object({ id: z.string(), at: z.string() })
/** At once. */
const MOST = 1000

/** As `mayDismiss` of the view has it, but for its pictures: ended otherwise than well, and its money is no open question. */
const cameToNothing = `dismissed_at is null and state in ('failed', 'cancelled', 'unknown') and charged is distinct from 'unknown'
  and (cost is not null or cost_until is null or cost_until <= now())`

/** Of this job of the person's, or, null, of all: those that came to nothing, unless there are pictures of them. */
export async function listForNothing(db: Db, userId: number, jobId: string | null): Promise<string[]> {
  const rows = await db.many(
    Id,
    `select id from image_jobs where user_id = $1 and ($2::uuid is null or id = $2) and ${cameToNothing}
     order by created_at desc limit ${MOST}`,
    [userId, jobId],
  )
  return rows.map(({ id }) => id)
}

/** Puts them away; answers which, and the moment by which it is undone, null if there was none. */
export async function dismissJobs(
  db: Db,
  userId: number,
  jobIds: readonly string[],
): Promise<{ ids: string[]; at: string | null }> {
  const rows = await db.many(
    Dismissed,
    `update image_jobs set dismissed_at = now() where user_id = $1 and id = any($2::uuid[]) and ${cameToNothing}
     returning id, to_char(dismissed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
    [userId, jobIds],
  )
  return { ids: rows.map(({ id }) => id), at: rows[0]?.at ?? null }
}

/** What was put away at that moment, to the microsecond, is shown again; answers how many. */
export function recallJobs(db: Db, userId: number, at: string): Promise<number> {
  return db.run(`update image_jobs set dismissed_at = null where user_id = $1 and dismissed_at = $2::timestamptz`, [
    userId,
    at,
  ])
}
