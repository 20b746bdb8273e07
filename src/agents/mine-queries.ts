import { z } from 'zod'
import type { Db } from '../db/db.ts'

const KeyGiven = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  fingerprint: z.string(),
  keyName: z.string(),
  keyGroup: z.string().nullable(),
  picturesPerDay: z.number().nullable(),
  jobsAtOnce: z.number().nullable(),
  sizes: z.array(z.string()).nullable(),
  qualities: z.array(z.string()).nullable(),
  spendPerDay: z.string().nullable(),
  spendTotal: z.string().nullable(),
  createdAt: z.date(),
  lastUsedAt: z.date().nullable(),
  revokedAt: z.date().nullable(),
})

/** SSH keys that somebody let in, with what they may. */
export function listKeysGiven(db: Db, userId: number): Promise<z.output<typeof KeyGiven>[]> {
  return db.many(
    KeyGiven,
    `select id, name, type, fingerprint, key_name, key_group, pictures_per_day, jobs_at_once, sizes, qualities, spend_per_day,
       spend_total, created_at, last_used_at, revoked_at
     from ssh_keys where user_id = $1 order by created_at`,
    [userId],
  )
}
