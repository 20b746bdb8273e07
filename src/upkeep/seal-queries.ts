import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Place = z.object({ table: z.string(), column: z.string() })

/** How many seals there are of the secrets with these key ids, in all tables. */
export async function countSealed(db: Db, keyIds: readonly Buffer[]): Promise<number> {
  const places = await db.many(
    Place,
    `select format('%I', c.relname) as table, format('%I', attname) as column from pg_attribute join pg_class c on c.oid = attrelid
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and atttypid = 'bytea'::regtype
       and attname in ('key_secret', 'access_token', 'refresh_token')`,
  )
  let total = 0
  for (const { table, column } of places) {
    const counted = await db.one(
      z.object({ count: z.number() }),
      `select count(*) from ${table} where substring(${column} from 2 for 4) = any($1::bytea[])`,
      [keyIds],
    )
    total += counted.count
  }
  return total
}
