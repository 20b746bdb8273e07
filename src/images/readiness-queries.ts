import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** Why no picture is begun: `store`: it has not answered since the start; `spill`: it is away, and the disk for that time is full. */
const Blockage = z.enum(['store', 'spill'])
export type Blockage = z.output<typeof Blockage>

/** That a process makes pictures, or why not just now; those that have ended are forgotten. */
export async function upsertWorker(db: Db, id: string, blocked: Blockage | null): Promise<void> {
  await db.run(
    `with ended as (delete from image_workers where heard_at < now() - interval '1 day')
     insert into image_workers (id, blocked) values ($1, $2)
     on conflict (id) do update set blocked = excluded.blocked, heard_at = now()`,
    [id, blocked],
  )
}

const Readiness = z.object({
  /** What keeps every process that makes pictures from beginning one; null where one may, or none is heard of. */
  blocked: Blockage.nullable(),
  /** One is heard of, and makes nothing for anybody: what comes first in line is begun at once. */
  idle: z.boolean(),
})
export type Readiness = z.output<typeof Readiness>

export function findReadiness(db: Db): Promise<Readiness> {
  return db.one(
    Readiness,
    `select case when bool_and(blocked is not null) then min(blocked) end as blocked,
       count(*) > 0 and not exists (select from image_jobs where state = 'running' and made_at is null) as idle
     from image_workers where heard_at > now() - interval '15 seconds'`,
  )
}
