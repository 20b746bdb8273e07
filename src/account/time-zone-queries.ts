import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Kept = z.object({ userId: z.number() })

/** False where Postgres knows no such zone. */
export async function setTimeZone(db: Db, userId: number, zone: string): Promise<boolean> {
  const kept = await db.maybeOne(
    Kept,
    `insert into accounts (user_id, time_zone) select $1, name from pg_timezone_names where name = $2
     on conflict (user_id) do update set time_zone = excluded.time_zone returning user_id`,
    [userId, zone],
  )
  return kept !== null
}

/** Kept unless there is one. */
export async function guessTimeZone(db: Db, userId: number, zone: string): Promise<void> {
  await db.run(
    `insert into accounts (user_id, time_zone)
     select $1, name from pg_timezone_names
     where name = $2 and not exists (select from accounts where user_id = $1 and time_zone is not null)
     on conflict (user_id) do update set time_zone = coalesce(accounts.time_zone, excluded.time_zone)`,
    [userId, zone],
  )
}
