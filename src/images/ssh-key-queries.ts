import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { ImageJob } from './job-queries.ts'

/** Jobs that an SSH key asked for, newest first. */
export function listJobsOfSshKey(
  db: Db,
  userId: number,
  sshKeyId: string,
  options: { states: readonly ImageJob['state'][] | null; before: { at: Date; id: string } | null; limit: number },
): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `select * from image_jobs
     where user_id = $1 and ssh_key_id = $2 and ($3::text[] is null or state = any($3))
       and ($4::timestamptz is null or (created_at, id) < ($4, $5::uuid))
     order by created_at desc, id desc limit $6`,
    [userId, sshKeyId, options.states, options.before?.at ?? null, options.before?.id ?? null, options.limit],
  )
}

/** Of these jobs, those that the SSH key asked for. */
export async function listJobIdsOfSshKey(
  db: Db,
  userId: number,
  sshKeyId: string,
  jobIds: readonly string[],
): Promise<string[]> {
  const rows = await db.many(
    z.object({ id: z.string() }),
    `select id from image_jobs where id = any($3::uuid[]) and user_id = $1 and ssh_key_id = $2`,
    [userId, sshKeyId, jobIds],
  )
  return rows.map(({ id }) => id)
}

const Unsent = z.object({ unfinished: z.number(), pictures: z.number(), usd: z.number() })

/**
 * What an SSH key has under way, and of that what was not called yet: it may be, from today on. Pictures asked for, and
 * US dollars by the estimates.
 */
export function sumUnsent(db: Db, sshKeyId: string): Promise<z.output<typeof Unsent>> {
  return db.one(
    Unsent,
    `select (count(*) filter (where made_at is null))::int as unfinished,
       coalesce(sum(n) filter (where called_at is null), 0)::int as pictures,
       coalesce(sum(estimate::numeric) filter (where called_at is null), 0)::float8 as usd
     from image_jobs where ssh_key_id = $1 and state in ('queued', 'running')`,
    [sshKeyId],
  )
}
