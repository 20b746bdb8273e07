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

const SshKeyUse = z.object({
  picturesToday: z.number(),
  unfinished: z.number(),
  spentToday: z.number(),
  spentTotal: z.number(),
})
/** What an SSH key has asked for. Days are those of UTC, money is US dollars. */
type SshKeyUse = z.output<typeof SshKeyUse>

/**
 * Counts the estimate of a job until its cost is known, and nothing for a job that was proven to be free. Without
 * `total`, jobs of earlier days are not added up.
 */
export function sumSshKeyUse(db: Db, sshKeyId: string, options: { total: boolean }): Promise<SshKeyUse> {
  return db.one(
    SshKeyUse,
    `with day as (select date_trunc('day', now() at time zone 'utc') at time zone 'utc' as start),
       counted as (
         select n, state, made_at, created_at >= (select start from day) as today, cost is null and charged = 'no' as free,
           case when cost is not null then cost when charged = 'no' then 0 else coalesce(estimate, 0) end::numeric as usd
         from image_jobs
         where ssh_key_id = $1 and ($2 or created_at >= (select start from day) or state in ('queued', 'running')))
     select coalesce(sum(n) filter (where today and free is not true), 0)::int as pictures_today,
       (count(*) filter (where state in ('queued', 'running') and made_at is null))::int as unfinished,
       coalesce(sum(usd) filter (where today), 0)::float8 as spent_today,
       coalesce(sum(usd), 0)::float8 as spent_total
     from counted`,
    [sshKeyId, options.total],
  )
}

/** Names of SSH keys by their ids; the rows are those of the agents' room. */
export async function listMakers(db: Db, userId: number, sshKeyIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.many(
    z.object({ id: z.string(), name: z.string() }),
    `select id, name from ssh_keys where user_id = $1 and id = any($2)`,
    [userId, sshKeyIds],
  )
  return new Map(rows.map(row => [row.id, row.name]))
}
