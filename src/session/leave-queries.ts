import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** Until the transaction ends nothing new is written for this person. False when they are gone. */
export async function holdUser(tx: Db, userId: number): Promise<boolean> {
  const row = await tx.maybeOne(z.object({ id: z.number() }), `select id from users where id = $1 for update`, [userId])
  return row !== null
}

export async function setLeaving(tx: Db, userId: number): Promise<void> {
  await tx.run(`update users set leaving_at = coalesce(leaving_at, now()) where id = $1`, [userId])
}

/** In every browser, with what was typed there. */
export async function deleteSessions(tx: Db, userId: number): Promise<void> {
  await tx.run(`delete from sessions where sess->>'lastUserId' = $1::text`, [userId])
  await tx.run(`delete from sign_ins where user_id = $1`, [userId])
}

export async function deleteUser(tx: Db, userId: number): Promise<void> {
  await tx.run(`delete from panel_calls where user_id = $1`, [userId])
  await tx.run(`delete from users where id = $1`, [userId])
}
