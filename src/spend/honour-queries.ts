import { z } from 'zod'
import { parameters } from '../account/honours.ts'
import type { Db } from '../db/db.ts'

const Habit = z.object({
  keyId: z.number(),
  keyGroup: z.string(),
  model: z.string(),
  parameter: z.enum(parameters),
  samples: z.number(),
  /** The last five, a letter each: `h` as asked, `c` changed, `i` ignored. */
  recent: z.string(),
  verdict: z.enum(['unknown', 'honoured', 'changed', 'ignored']),
  since: z.date(),
  asked: z.string(),
  came: z.string(),
})
/** What is known of one parameter of a key, in one of its groups, with one model. */
export type Habit = z.output<typeof Habit>

export function listHabits(db: Db, userId: number): Promise<Habit[]> {
  return db.many(Habit, `select * from honours where user_id = $1 order by key_id, model, parameter`, [userId])
}

export async function upsertHabit(tx: Db, userId: number, habit: Habit): Promise<void> {
  const { keyId, keyGroup, model, parameter, samples, recent, verdict, since, asked, came } = habit
  await tx.run(
    `insert into honours (user_id, key_id, key_group, model, parameter, samples, recent, verdict, since, asked, came)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (user_id, key_id, key_group, model, parameter) do update set samples = $6, recent = $7, verdict = $8,
       since = $9, asked = $10, came = $11`,
    [userId, keyId, keyGroup, model, parameter, samples, recent, verdict, since, asked, came],
  )
}
