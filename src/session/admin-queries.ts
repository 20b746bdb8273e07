import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** What these people sign in with, by their ids; who has left is not there. */
export async function emailsOf(db: Db, userIds: readonly number[]): Promise<Map<number, string>> {
  const rows = await db.many(
    z.object({ id: z.number(), email: z.string() }),
    `select id, email from users where id = any($1::bigint[])`,
    [userIds],
  )
  return new Map(rows.map(({ id, email }) => [id, email]))
}
