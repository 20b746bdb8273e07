import { z } from 'zod'
import type { Db } from '../db/db.ts'

export const Mask = z.object({ id: z.string(), width: z.number(), height: z.number(), bytes: z.instanceof(Buffer) })
export type Mask = z.output<typeof Mask>

export async function insertMask(db: Db, userId: number, mask: Omit<Mask, 'id'>): Promise<string> {
  const { id } = await db.one(
    z.object({ id: z.string() }),
    `insert into image_masks (user_id, width, height, bytes) values ($1, $2, $3, $4) returning id`,
    [userId, mask.width, mask.height, mask.bytes],
  )
  return id
}

export function findMask(db: Db, userId: number, maskId: string): Promise<Mask | null> {
  return db.maybeOne(Mask, `select * from image_masks where id = $1 and user_id = $2`, [maskId, userId])
}

/** Those that were painted but never used. */
export function deleteUnusedMasks(db: Db): Promise<number> {
  return db.run(
    `delete from image_masks m where created_at < now() - interval '1 day'
       and not exists (select from image_jobs j where j.mask_id = m.id)`,
  )
}
