import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { FormValues } from './prompt.ts'

export async function findDraft(db: Db, userId: number): Promise<unknown> {
  const row = await db.maybeOne(z.object({ form: z.unknown() }), `select form from image_drafts where user_id = $1`, [
    userId,
  ])
  return row?.form ?? null
}

export async function upsertDraft(db: Db, userId: number, form: FormValues): Promise<void> {
  await db.run(
    `insert into image_drafts (user_id, form) values ($1, $2)
     on conflict (user_id) do update set form = $2, updated_at = now()`,
    [userId, JSON.stringify(form)],
  )
}

/** The same of what was sent `secondsAgo`, where nothing has been typed since. */
export async function upsertOlderDraft(db: Db, userId: number, form: FormValues, secondsAgo: number): Promise<void> {
  await db.run(
    `insert into image_drafts as d (user_id, form) values ($1, $2)
     on conflict (user_id) do update set form = $2, updated_at = now()
       where d.updated_at < now() - make_interval(secs => $3)`,
    [userId, JSON.stringify(form), secondsAgo],
  )
}

/** Pictures to start from, put behind those in the draft at once: several uploads end at the same time. */
export async function appendDraftReferences(
  db: Db,
  userId: number,
  form: FormValues,
  tokens: readonly string[],
): Promise<void> {
  await db.run(
    `insert into image_drafts as d (user_id, form) values ($1, $2)
     on conflict (user_id) do update set updated_at = now(), form = jsonb_set(d.form, '{references}',
       (coalesce(d.form->'references', '[]') - $3::text[]) || to_jsonb($3::text[]))`,
    [userId, JSON.stringify({ ...form, references: tokens }), tokens],
  )
}
