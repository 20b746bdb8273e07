import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'

export const Conversation = z.object({
  id: z.string(),
  userId: z.number(),
  title: z.string(),
  instructions: z.string(),
  head: z.string().nullable(),
  pinnedAt: z.date().nullable(),
  namedAt: z.date().nullable(),
  createdAt: z.date(),
  updatedAt: z.date(),
  deletedAt: z.date().nullable(),
})
export type Conversation = z.output<typeof Conversation>

// Any number that nothing else locks with.
const SNAPSHOT_LOCK = 742_003

/** Until the transaction ends, nobody else writes the file of this conversation. */
export async function lockSnapshot(tx: Db, conversation: Pick<Conversation, 'id'>): Promise<void> {
  await tx.run(`select pg_advisory_xact_lock($1, hashtext($2))`, [SNAPSHOT_LOCK, conversation.id])
}

/** The secret part of the name of its file; until the transaction ends the conversation does not go for good. Null when it has. */
export async function holdSnapshotKey(tx: Db, userId: number, id: string): Promise<string | null> {
  const row = await tx.maybeOne(
    SnapshotKey,
    `select snapshot_key from conversations where id = $1 and user_id = $2 for key share`,
    [id, userId],
  )
  return row?.snapshotKey ?? null
}

const SnapshotKey = z.object({ snapshotKey: z.string() })

/** Whoever has it is alone in adding to what this user says: counts and submissions stay true. */
export const askingLock = lockOfPerson('asking', 742_002)

interface NewConversation {
  id: string
  userId: number
  title: string
  instructions: string
  createdAt?: Date
}

export function insertConversation(db: Db, conversation: NewConversation): Promise<Conversation> {
  const { id, userId, title, instructions, createdAt } = conversation
  return db.one(
    Conversation,
    `insert into conversations (id, user_id, title, instructions, created_at, updated_at)
     values ($1, $2, $3, $4, coalesce($5, clock_timestamp()), coalesce($5, clock_timestamp())) returning *`,
    [id, userId, title, instructions, createdAt ?? null],
  )
}

export function findConversation(db: Db, userId: number, id: string): Promise<Conversation | null> {
  return db.maybeOne(Conversation, `select * from conversations where id = $1 and user_id = $2`, [id, userId])
}

interface ListOptions {
  /** Words to find in titles and texts; null for all. */
  search: string | null
  before: { at: Date; id: string } | null
  limit: number
}

/** Newest first, the pinned ones left out unless something is searched for. */
export function listConversations(db: Db, userId: number, options: ListOptions): Promise<Conversation[]> {
  const { search, before, limit } = options
  return db.many(
    Conversation,
    `select c.* from conversations c
     where c.user_id = $1 and c.deleted_at is null and ($2::timestamptz is null or (c.updated_at, c.id) < ($2, $3::uuid))
       and case when $5::text is null then c.pinned_at is null else normalize(c.title) ilike $5
         or exists (
           select from chat_messages m left join replies r on r.message_id = m.id
           where m.user_id = $1 and m.conversation_id = c.id and m.deleted_at is null
             and (normalize(m.text) ilike $5 or normalize(r.text) ilike $5)) end
     order by c.updated_at desc, c.id desc limit $4`,
    [userId, before?.at ?? null, before?.id ?? null, limit, search === null ? null : likePattern(search)],
  )
}

/** Of each conversation the newest message with these words, by conversation. */
export async function listFound(
  db: Db,
  userId: number,
  conversationIds: readonly string[],
  search: string,
): Promise<Map<string, string>> {
  const rows = await db.many(
    z.object({ conversationId: z.string(), id: z.string() }),
    `select distinct on (m.conversation_id) m.conversation_id, m.id
     from chat_messages m left join replies r on r.message_id = m.id
     where m.user_id = $1 and m.conversation_id = any($2) and m.deleted_at is null
       and (normalize(m.text) ilike $3 or normalize(r.text) ilike $3)
     order by m.conversation_id, m.number desc`,
    [userId, conversationIds, likePattern(search)],
  )
  return new Map(rows.map(row => [row.conversationId, row.id]))
}

/** Composed (NFC), as the texts are compared: `é` may be typed as one character or as two. */
export function likePattern(words: string): string {
  return `%${words.normalize().replace(/[\\%_]/g, '\\$&')}%`
}

export function listPinned(db: Db, userId: number): Promise<Conversation[]> {
  return db.many(
    Conversation,
    `select * from conversations where user_id = $1 and deleted_at is null and pinned_at is not null
     order by pinned_at desc, id desc limit 100`,
    [userId],
  )
}

/** By its owner: no model names it any more. */
export async function setTitle(db: Db, conversation: Conversation, title: string): Promise<void> {
  await db.run(`update conversations set title = $2, named_at = clock_timestamp() where id = $1`, [
    conversation.id,
    title,
  ])
}

/** The right to ask a model for a title: given once, and before it is asked. */
export async function claimNaming(db: Db, conversation: Conversation): Promise<boolean> {
  const changed = await db.run(
    `update conversations set named_at = clock_timestamp() where id = $1 and named_at is null and deleted_at is null`,
    [conversation.id],
  )
  return changed === 1
}

/** By a model: what the owner wrote meanwhile stays. */
export async function setSuggestedTitle(db: Db, conversation: Conversation, title: string): Promise<boolean> {
  const changed = await db.run(`update conversations set title = $3 where id = $1 and title = $2`, [
    conversation.id,
    conversation.title,
    title,
  ])
  return changed === 1
}

export async function setConversationInstructions(db: Db, conversation: Conversation, text: string): Promise<void> {
  await db.run(`update conversations set instructions = $2 where id = $1`, [conversation.id, text])
}

export async function setPinned(db: Db, conversation: Conversation, pinned: boolean): Promise<void> {
  await db.run(
    `update conversations set pinned_at = case when $2 then coalesce(pinned_at, clock_timestamp()) end where id = $1`,
    [conversation.id, pinned],
  )
}

export async function setDeleted(db: Db, conversation: Conversation, deleted: boolean): Promise<void> {
  await db.run(
    `update conversations set deleted_at = case when $2 then coalesce(deleted_at, clock_timestamp()) end where id = $1`,
    [conversation.id, deleted],
  )
}

/** Which branch is shown when none is asked for. */
export async function setHead(db: Db, conversation: Conversation, head: string | null): Promise<void> {
  await db.run(`update conversations set head = $2 where id = $1`, [conversation.id, head])
}

/** Forgets what was deleted more than `days` ago, and texts that were attached to nothing; the conversations that were. */
export async function purgeConversations(db: Db, days: number): Promise<{ id: string; snapshotKey: string }[]> {
  const gone = await db.many(
    SnapshotKey.extend({ id: z.string() }),
    `with gone as (
       delete from conversations where deleted_at < now() - make_interval(days => $1) returning id, user_id, snapshot_key),
     drafts as (delete from chat_drafts d using gone where d.user_id = gone.user_id and d.place = gone.id::text)
     select id, snapshot_key from gone`,
    [days],
  )
  await db.run(`delete from chat_messages where deleted_at < now() - make_interval(days => $1)`, [days])
  await db.run(`delete from chat_line where removed_at < now() - make_interval(days => $1)`, [days])
  await db.run(
    `delete from chat_texts t where created_at < now() - interval '7 days'
       and not exists (select from chat_attachments a where a.text_id = t.id)
       and not exists (select from chat_line l where l.user_id = t.user_id
         and l.attachments @> jsonb_build_array(jsonb_build_object('textId', t.id)))`,
  )
  return gone
}

export async function conversationExists(db: Db, id: string): Promise<boolean> {
  return (await db.maybeOne(z.object({ id: z.string() }), `select id from conversations where id = $1`, [id])) !== null
}

export async function setImportedState(
  db: Db,
  conversation: Conversation,
  { head, updatedAt }: { head: string | null; updatedAt: Date },
): Promise<void> {
  await db.run(`update conversations set head = coalesce($2, head), updated_at = $3, named_at = now() where id = $1`, [
    conversation.id,
    head,
    updatedAt,
  ])
}

/** Of the files of all conversations. */
export async function listSnapshotKeys(db: Db, userId: number | null = null): Promise<string[]> {
  const rows = await db.many(
    z.object({ key: z.string() }),
    `select snapshot_key as key from conversations where $1::bigint is null or user_id = $1`,
    [userId],
  )
  return rows.map(({ key }) => key)
}
