import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Settings = z.object({
  instructions: z.string(),
  askBeforePaying: z.boolean(),
  listOpen: z.boolean(),
  model: z.string().nullable(),
  effort: z.string().nullable(),
})
export type Settings = z.output<typeof Settings>
const firstSettings: Settings = { instructions: '', askBeforePaying: true, listOpen: true, model: null, effort: null }

export async function findSettings(db: Db, userId: number): Promise<Settings> {
  return (await db.maybeOne(Settings, `select * from chat_settings where user_id = $1`, [userId])) ?? firstSettings
}

/** What was chosen last in a composer. */
export async function setChoice(
  db: Db,
  userId: number,
  { model, effort }: Pick<Settings, 'model' | 'effort'>,
): Promise<void> {
  await db.run(
    `insert into chat_settings (user_id, model, effort) values ($1, $2, $3)
     on conflict (user_id) do update set model = $2, effort = $3`,
    [userId, model, effort],
  )
}

export async function setWishes(
  db: Db,
  userId: number,
  { instructions, askBeforePaying }: Pick<Settings, 'instructions' | 'askBeforePaying'>,
): Promise<void> {
  await db.run(
    `insert into chat_settings (user_id, instructions, ask_before_paying) values ($1, $2, $3)
     on conflict (user_id) do update set instructions = $2, ask_before_paying = $3`,
    [userId, instructions, askBeforePaying],
  )
}

export async function setListOpen(db: Db, userId: number, open: boolean): Promise<void> {
  await db.run(
    `insert into chat_settings (user_id, list_open) values ($1, $2) on conflict (user_id) do update set list_open = $2`,
    [userId, open],
  )
}
