import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { withdrawAll } from './long-share-queries.ts'

const Shown = z.object({ shown: z.number() })

export function countShown(db: Db, userId: number): Promise<z.output<typeof Shown>> {
  return db.one(Shown, `select count(*) as shown from exhibits where user_id = $1`, [userId])
}

/** What an operator did with pictures of theirs goes; what they did as one stays, of nobody. */
export async function deleteExhibitor(tx: Db, userId: number): Promise<void> {
  await withdrawAll(tx, userId)
  await tx.run(`delete from gallery_shares where user_id = $1`, [userId])
  await tx.run(`delete from likes where user_id = $1`, [userId])
  await tx.run(`delete from gallery_reports where user_id = $1`, [userId])
  await tx.run(`delete from gallery_blocks where user_id = $1 or blocked_id = $1`, [userId])
  await tx.run(`delete from exhibitors where user_id = $1`, [userId])
  await tx.run(`delete from gallery_audit where user_id = $1`, [userId])
  await tx.run(`update gallery_audit set admin_id = null where admin_id = $1`, [userId])
}
