import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Kept = z.object({ pictures: z.number() })

export function countKept(db: Db, userId: number): Promise<z.output<typeof Kept>> {
  return db.one(Kept, `select count(*) as pictures from pictures where user_id = $1`, [userId])
}

export async function listTokensBehind(db: Db, userId: number, after: string, limit: number): Promise<string[]> {
  const rows = await db.many(
    z.object({ token: z.string() }),
    `select token from files where user_id = $1 and token > $2 order by token limit $3`,
    [userId, after, limit],
  )
  return rows.map(({ token }) => token)
}

/** And what they are filed by. */
export async function deletePictures(tx: Db, userId: number): Promise<void> {
  await tx.run(`delete from library_changes where user_id = $1`, [userId])
  await tx.run(`delete from pictures where user_id = $1`, [userId])
  await tx.run(`delete from files where user_id = $1`, [userId])
  await tx.run(`delete from folders where user_id = $1`, [userId])
  await tx.run(`delete from tags where user_id = $1`, [userId])
}
