import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { FormValues } from './prompt.ts'

const MOST_KEPT = 20

const Draft = z.object({
  page: z.string(),
  form: z.record(z.string(), z.unknown()),
  version: z.number().nullable(),
  sent: z.boolean(),
})
/** What was typed into Create by a page of this name. `version`: how often it was written; null for one that was put aside. */
export type Draft = z.output<typeof Draft>

/** The page of Create that writes, and the version of the draft that it went on from; null when it began with other words. */
export interface Origin {
  page: string
  follows: number | null
}

export async function findDraft(db: Db, userId: number): Promise<unknown> {
  const row = await db.maybeOne(z.object({ form: z.unknown() }), `select form from image_drafts where user_id = $1`, [
    userId,
  ])
  return row?.form ?? null
}

/** The draft, then those that were put aside for it and are still offered, the newest first. */
export function listDrafts(db: Db, userId: number): Promise<Draft[]> {
  return db.many(
    Draft,
    `select page, form, version, sent from (
       select page, form, version, sent, null as kept_at from image_drafts where user_id = $1
       union all select page, form, null, false, kept_at from kept_drafts
       where user_id = $1 and offered and kept_at > now() - interval '30 days') as drafts
     order by kept_at desc nulls first`,
    [userId],
  )
}

/** Whether it is there. */
export async function setOffered(db: Db, userId: number, page: string, offered: boolean): Promise<boolean> {
  return (
    (await db.run(`update kept_drafts set offered = $3 where user_id = $1 and page = $2`, [userId, page, offered])) > 0
  )
}

/**
 * What was typed is the draft now. Where its page had not seen the one before, that is put aside, unless it was sent or
 * is in this one whole. `sentAgo`: it was sent so many seconds ago, and is kept where nothing has been typed since.
 */
export async function upsertDraft(
  db: Db,
  userId: number,
  form: FormValues,
  origin: Origin | null,
  sentAgo: number | null = null,
): Promise<void> {
  // The row is locked before any part of the statement changes it, as the last part reads what the first has found.
  await db.run(
    `with was as (
       select * from image_drafts where user_id = $1 and ($5::float is null or updated_at < now() - make_interval(secs => $5))
       for update),
     aside as (
       insert into kept_drafts as k (user_id, page, form) select user_id, page, form from was
       where page <> $3::uuid and version is distinct from $4 and not sent and not (
         strpos($2::jsonb->>'prompt', coalesce(form->>'prompt', '')) > 0
         and $2::jsonb->'references' @> coalesce(form->'references', '[]'))
       on conflict (user_id, page) do update set form = excluded.form, kept_at = now(), offered = true),
     gone as (
       delete from kept_drafts k where user_id = $1 and page not in (select page from was) and (page = $3 or page in (
         select page from kept_drafts where user_id = $1 order by kept_at desc offset ${MOST_KEPT - 1})))
     insert into image_drafts as d (user_id, form, page, sent)
     select $1, $2, coalesce($3, gen_random_uuid()), $5 is not null from (values (true)) once left join was on true
     on conflict (user_id) do update set form = $2, page = coalesce($3, d.page), sent = excluded.sent, updated_at = now(),
       version = d.version + ($3 is not null)::int
       where $5 is null or d.updated_at < now() - make_interval(secs => $5)`,
    [userId, JSON.stringify(form), origin?.page ?? null, origin?.follows ?? null, sentAgo],
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
