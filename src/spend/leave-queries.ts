import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** Calls that nobody has said the end of; those of a kind without a row are given up after a while. */
export async function countCalling(tx: Db, userId: number): Promise<number> {
  const { count } = await tx.one(
    z.object({ count: z.number() }),
    `select count(*) from receipts where user_id = $1 and ended_at is null`,
    [userId],
  )
  return count
}

/** What was called and charged stays, of nobody: no person, key, conversation, request or row of the gateway is named. */
export async function anonymise(tx: Db, userId: number): Promise<void> {
  await tx.run(
    `update receipts set user_id = null, sign_in_id = null, subject = gen_random_uuid(), key_id = null, key_name = null,
       key_group = null, request_id = null, usage_id = null, evidence = null, look_at = null, conversation_id = null,
       conversation_title = null, batch_id = null, ssh_key_id = null, ssh_key_name = null,
       delivered = (select jsonb_agg(d - 'sha256') from jsonb_array_elements(delivered) d)
     where user_id = $1`,
    [userId],
  )
  await tx.run(`delete from spend_days where user_id = $1`, [userId])
  await tx.run(`delete from honours where user_id = $1`, [userId])
  await tx.run(`delete from ssh_key_days where user_id = $1`, [userId])
}
