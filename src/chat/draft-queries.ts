import { z } from 'zod'
import type { Db } from '../db/db.ts'

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
       and not exists (select from chat_line where user_id = $1 and submission = $4)
     on conflict (user_id, place) do update set form = $3, updated_at = now()`,
    [userId, place, JSON.stringify(form), submission],
  )
}

export async function deleteDraft(db: Db, userId: number, place: string): Promise<void> {
  await db.run(`delete from chat_drafts where user_id = $1 and place = $2`, [userId, place])
}
