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

export async function findDraft(db: Db, userId: number, place: string): Promise<unknown> {
  const row = await db.maybeOne(
    z.object({ form: z.unknown() }),
    `select form from chat_drafts where user_id = $1 and place = $2`,
    [userId, place],
  )
  return row?.form ?? null
}

/**
 * Keeps what was typed in a conversation of this person, or for a new one; unless `submission` was sent off meanwhile: a
 * draft that comes late would bring it back.
 */
export async function upsertDraft(
  db: Db,
  userId: number,
  place: string,
  form: unknown,
  submission: string | null,
): Promise<void> {
  await db.run(
    `insert into chat_drafts (user_id, place, form)
     select $1, $2, $3
     where ($2 = 'new' or exists (select from conversations where user_id = $1 and id::text = $2))
       and not exists (select from chat_messages where user_id = $1 and submission = $4)
     on conflict (user_id, place) do update set form = $3, updated_at = now()`,
    [userId, place, JSON.stringify(form), submission],
  )
}

export async function deleteDraft(db: Db, userId: number, place: string): Promise<void> {
  await db.run(`delete from chat_drafts where user_id = $1 and place = $2`, [userId, place])
}
