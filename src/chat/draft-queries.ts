import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Origin } from '../images/draft-queries.ts'

const MOST_KEPT = 20

const NewDraft = z.object({ page: z.string(), form: z.unknown(), version: z.number(), isDraft: z.boolean() })
/** What was typed for a new conversation by a page of this name; not `isDraft`: it was put aside. */
export type NewDraft = z.output<typeof NewDraft>

export async function findDraft(db: Db, userId: number, conversationId: string): Promise<unknown> {
  const row = await db.maybeOne(
    z.object({ form: z.unknown() }),
    `select form from chat_drafts where user_id = $1 and place = $2`,
    [userId, conversationId],
  )
  return row?.form ?? null
}

/**
 * Keeps what was typed in a conversation of this person; unless `submission` was sent off meanwhile: a draft that comes
 * late would bring it back.
 */
export async function upsertDraft(
  db: Db,
  userId: number,
  conversationId: string,
  form: unknown,
  submission: string | null,
): Promise<void> {
  await db.run(
    `insert into chat_drafts (user_id, place, form)
     select $1, $2, $3
     where exists (select from conversations where user_id = $1 and id::text = $2)
       and not exists (select from chat_messages where user_id = $1 and submission = $4)
       and not exists (select from chat_line where user_id = $1 and submission = $4)
     on conflict (user_id, place) do update set form = $3, version = default, updated_at = now()`,
    [userId, conversationId, JSON.stringify(form), submission],
  )
}

export async function deleteDraft(db: Db, userId: number, conversationId: string): Promise<void> {
  await db.run(`delete from chat_drafts where user_id = $1 and place = $2`, [userId, conversationId])
}

/** The draft of a new conversation, then those that were put aside for it and are still offered, the newest first. */
export function listNewDrafts(db: Db, userId: number): Promise<NewDraft[]> {
  return db.many(
    NewDraft,
    `select page, form, version, place = 'new' as is_draft from chat_drafts
     where user_id = $1
       and (place = 'new' or (place like 'new:%' and offered and updated_at > now() - interval '30 days'))
     order by is_draft desc, updated_at desc`,
    [userId],
  )
}

/** Whether it is there. */
export async function setOffered(db: Db, userId: number, page: string, offered: boolean): Promise<boolean> {
  return (
    (await db.run(`update chat_drafts set offered = $3 where user_id = $1 and place = 'new:' || $2::text`, [
      userId,
      page,
      offered,
    ])) > 0
  )
}

/**
 * Keeps what was typed for a new conversation, like `upsertDraft`. Where its page had not seen the draft before, that is
 * put aside, unless it is in this one whole. A page that does not say goes on from it.
 */
export async function upsertNewDraft(
  db: Db,
  userId: number,
  form: unknown,
  submission: string | null,
  origin: Origin | null,
): Promise<void> {
  // The row is locked before any part of the statement changes it.
  await db.run(
    `with fresh as (
       select where not exists (select from chat_messages where user_id = $1 and submission = $3)),
     was as (
       select d.* from chat_drafts d, fresh where user_id = $1 and place = 'new' for update of d),
     aside as (
       insert into chat_drafts (user_id, place, form, page) select user_id, 'new:' || page::text, form, page from was
       where $4 and page <> $5 and version is distinct from $6 and not (
         strpos($2::jsonb->>'text', coalesce(form->>'text', '')) > 0
         and $2::jsonb->'attachment' @> coalesce(form->'attachment', '[]'))
       on conflict (user_id, place) do update set form = excluded.form, offered = true, updated_at = now()),
     gone as (
       delete from chat_drafts k using fresh where user_id = $1 and place like 'new:%'
         and page not in (select page from was) and (page = $5 or page in (
           select page from chat_drafts where user_id = $1 and place like 'new:%'
           order by updated_at desc offset ${MOST_KEPT - 1})))
     insert into chat_drafts (user_id, place, form, page)
     select $1, 'new', $2::jsonb, $5::uuid from fresh left join was on true
     on conflict (user_id, place) do update
     set form = excluded.form, page = excluded.page, version = default, updated_at = now()`,
    [userId, JSON.stringify(form), submission, origin !== null, origin?.page ?? randomUUID(), origin?.follows ?? null],
  )
}

/** What this page has sent is no draft any more; what another one typed since still is. */
export async function deleteNewDraft(db: Db, userId: number, origin: Origin | null): Promise<void> {
  await db.run(
    `delete from chat_drafts where user_id = $1 and (
       (place = 'new' and ($2::uuid is null or page = $2 or version = $3)) or place = 'new:' || $2::text)`,
    [userId, origin?.page ?? null, origin?.follows ?? null],
  )
}
