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

const Person = z.object({
  id: z.number(),
  email: z.string(),
  role: z.string(),
  createdAt: z.date(),
  signedInAt: z.date(),
  isLeaving: z.boolean(),
})
/** Somebody who was here. */
export type Person = z.output<typeof Person>

const person = `id, email, role, created_at, signed_in_at, leaving_at is not null as is_leaving`

/** Who signed in last comes first. `q`: a part of an e-mail address, or a whole id; `before`: behind this row. */
export function listPeople(
  db: Db,
  { q, before, limit }: { q: string; before: { at: Date; id: number } | null; limit: number },
): Promise<Person[]> {
  return db.many(
    Person,
    `select ${person} from users
     where ($1 = '' or position(lower($1) in lower(email)) > 0 or id::text = $1)
       and ($2::timestamptz is null or (date_trunc('milliseconds', signed_in_at at time zone 'utc'), id) < ($2 at time zone 'utc', $3::bigint))
     order by date_trunc('milliseconds', signed_in_at at time zone 'utc') desc, id desc limit $4`,
    [q, before?.at ?? null, before?.id ?? null, limit],
  )
}

export function listPeopleById(db: Db, ids: readonly number[]): Promise<Person[]> {
  return db.many(Person, `select ${person} from users where id = any($1::bigint[])`, [ids])
}
