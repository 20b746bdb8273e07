import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** Bytes that a person's files take, as an expression in a statement that another room has to make anyhow; `user` is its placeholder. */
export function bytesUsedBy(user: string): string {
  return `(select coalesce(sum(f.bytes + coalesce(f.original_bytes, 0)), 0)::bigint from files f where f.user_id = ${user})`
}

export async function sumBytes(db: Db, userId: number): Promise<number> {
  const { used } = await db.one(z.object({ used: z.number() }), `select ${bytesUsedBy('$1')} as used`, [userId])
  return used
}

const Use = z.object({ used: z.number(), trash: z.number(), uploads: z.number() })
export type Use = z.output<typeof Use>

/** In bytes; `trash`: of files that nothing else needs, `uploads`: of files that were brought. */
export function findUse(db: Db, userId: number): Promise<Use> {
  return db.one(
    Use,
    `with kept as (
       select token, bool_and(deleted_at is not null) as is_trash, bool_and(origin = 'uploaded') as is_upload
       from pictures where user_id = $1 group by token)
     select coalesce(sum(size), 0)::bigint as used, coalesce(sum(size) filter (where is_trash), 0)::bigint as trash,
       coalesce(sum(size) filter (where is_upload and not is_trash), 0)::bigint as uploads
     from (select token, bytes + coalesce(original_bytes, 0) as size from files where user_id = $1) f left join kept using (token)`,
    [userId],
  )
}

// One predicate for the list, its count and what is emptied.
const inTrash = `user_id = $1 and deleted_at is not null`

export async function countTrash(db: Db, userId: number): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) as count from pictures where ${inTrash}`,
    [userId],
  )
  return count
}

/** Ids of what is in the trash, and was there at `until`. */
export async function listTrash(db: Db, userId: number, until: Date): Promise<string[]> {
  const rows = await db.many(
    z.object({ id: z.string() }),
    `select id from pictures where ${inTrash} and deleted_at <= $2`,
    [userId, until],
  )
  return rows.map(({ id }) => id)
}
