import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Given = z.object({ sshKeys: z.number() })

export function countKeysGiven(db: Db, userId: number): Promise<z.output<typeof Given>> {
  return db.one(Given, `select count(*) as ssh_keys from ssh_keys where user_id = $1 and revoked_at is null`, [userId])
}

/** With every token that scripts have by them. */
export async function deleteKeys(tx: Db, userId: number): Promise<void> {
  await tx.run(`delete from ssh_keys where user_id = $1`, [userId])
}
