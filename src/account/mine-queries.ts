import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Choices = z.object({
  balance: z.number().nullable(),
  balanceAt: z.date().nullable(),
  keyName: z.string().nullable(),
  keyGroup: z.string().nullable(),
  editPreviews: z.boolean().nullable(),
  timeZone: z.string().nullable(),
})

/** What was chosen and last known, without any key. */
export function findChoices(db: Db, userId: number): Promise<z.output<typeof Choices> | null> {
  return db.maybeOne(
    Choices,
    `select balance, balance_at, key_name, key_group, edit_previews, time_zone from accounts where user_id = $1`,
    [userId],
  )
}
