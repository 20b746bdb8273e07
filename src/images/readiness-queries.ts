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

/** What keeps every process that makes pictures from beginning one; null where one may, or none is heard of. */
export async function findBlockage(db: Db): Promise<Blockage | null> {
  const { blocked } = await db.one(
    z.object({ blocked: Blockage.nullable() }),
    `select case when bool_and(blocked is not null) then min(blocked) end as blocked
     from image_workers where heard_at > now() - interval '15 seconds'`,
  )
  return blocked
}
