import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { withoutSecrets } from './without-secrets.ts'

/** All that operators can do here. */
export const actNames = [
  'hide',
  'show',
  'dismiss',
  'announce',
  'withdraw_announcement',
  'begin_maintenance',
  'end_maintenance',
  'stop_waiting',
  'release_leases',
] as const

const Act = z.object({
  id: z.number(),
  at: z.date(),
  /** Null: who did it has left, or did it on the machine. */
  adminId: z.number().nullable(),
  act: z.enum(actNames),
  /** Whom it was done to. */
  userId: z.number().nullable(),
  /** Id of what it was done to. */
  subject: z.string().nullable(),
  reason: z.string(),
  count: z.number().nullable(),
})
export type Act = z.output<typeof Act>

export type NewAct = Pick<Act, 'act'> & Partial<Pick<Act, 'userId' | 'subject' | 'reason' | 'count'>>

/** In the transaction that does it: nothing is done that is not told, and nothing told that was not done. `adminId`: null for a script. */
export async function recordAct(tx: Db, adminId: number | null, done: NewAct): Promise<void> {
  const { act, userId = null, subject = null, reason = '', count = null } = done
  await tx.run(
    `insert into operator_acts (admin_id, act, user_id, subject, reason, count) values ($1, $2, $3, $4, $5, $6)`,
    [adminId, act, userId, subject, withoutSecrets(reason), count],
  )
}

/** Newest first; of one operator, or about one person, where `who` is given. `before`: an id. */
export function listActs(
  db: Db,
  { who, before, limit }: { who: number | null; before: number | null; limit: number },
): Promise<Act[]> {
  return db.many(
    Act,
    `select * from operator_acts
     where ($1::bigint is null or admin_id = $1 or user_id = $1) and ($2::bigint is null or id < $2)
     order by id desc limit $3`,
    [who, before, limit],
  )
}

/** What was done to a person goes with them; what they did as an operator stays, of nobody. */
export async function forgetActs(tx: Db, userId: number): Promise<void> {
  await tx.run(`delete from operator_acts where user_id = $1`, [userId])
  await tx.run(`update operator_acts set admin_id = null where admin_id = $1`, [userId])
}
