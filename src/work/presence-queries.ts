import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Presence = z.object({
  id: z.string(),
  role: z.string(),
  version: z.string(),
  host: z.string(),
  startedAt: z.date(),
  heardAt: z.date(),
})
/** A process of this installation, as it last said. */
export type Presence = z.output<typeof Presence>

/** Those of a day ago are forgotten. */
export async function upsertPresence(db: Db, process: Omit<Presence, 'heardAt'>): Promise<void> {
  const { id, role, version, host, startedAt } = process
  await db.run(
    `with gone as (delete from processes where heard_at < now() - interval '1 day')
     insert into processes (id, role, version, host, started_at) values ($1, $2, $3, $4, $5)
     on conflict (id) do update set heard_at = now()`,
    [id, role, version, host, startedAt],
  )
}

export async function deletePresence(db: Db, id: string): Promise<void> {
  await db.run(`delete from processes where id = $1`, [id])
}

export function listPresences(db: Db): Promise<Presence[]> {
  return db.many(Presence, `select * from processes order by heard_at desc, id limit 50`)
}
