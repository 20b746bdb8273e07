import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Conversation } from './conversation-queries.ts'

const Message = z.object({
  id: z.string(),
  conversationId: z.string(),
  userId: z.number(),
  parentId: z.string().nullable(),
  number: z.number(),
  role: z.enum(['user', 'assistant', 'tool']),
  text: z.string(),
  createdAt: z.date(),
})
export type Message = z.output<typeof Message>

const Attachment = z.object({
  messageId: z.string(),
  position: z.number(),
  name: z.string(),
  token: z.string().nullable(),
  textId: z.string().nullable(),
  isPreview: z.boolean(),
})
export type Attachment = z.output<typeof Attachment>

interface NewMessage {
  id: string
  conversationId: string
  userId: number
  parentId: string | null
  role: Message['role']
  text?: string
  submission?: string | null
  createdAt?: Date
}

/** Adds a message and makes its branch the one that is shown. */
export function insertMessage(db: Db, message: NewMessage): Promise<Message> {
  return db.one(
    Message,
    `with moved as (
       update conversations set head = $1, updated_at = coalesce($8, clock_timestamp()) where id = $2)
     insert into chat_messages (id, conversation_id, user_id, parent_id, role, text, submission, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, clock_timestamp())) returning *`,
    [
      message.id,
      message.conversationId,
      message.userId,
      message.parentId,
      message.role,
      message.text ?? '',
      message.submission ?? null,
      message.createdAt ?? null,
    ],
  )
}

export function findMessage(db: Db, conversation: Conversation, id: string): Promise<Message | null> {
  return db.maybeOne(
    Message,
    `select * from chat_messages where id = $1 and conversation_id = $2 and deleted_at is null`,
    [id, conversation.id],
  )
}

export function findMessageBySubmission(db: Db, userId: number, submission: string): Promise<Message | null> {
  return db.maybeOne(Message, `select * from chat_messages where submission = $2 and user_id = $1`, [
    userId,
    submission,
  ])
}

/** Whether something was said below a message; null: at the beginning of the conversation. */
export async function hasMessageBelow(db: Db, conversation: Conversation, id: string | null): Promise<boolean> {
  // Two statements, so that each finds its rows in the index.
  const below = id === null ? 'parent_id is null' : 'parent_id = $2'
  const row = await db.maybeOne(
    z.object({ id: z.string() }),
    `select id from chat_messages where conversation_id = $1 and ${below} and deleted_at is null limit 1`,
    id === null ? [conversation.id] : [conversation.id, id],
  )
  return row !== null
}

/** From the first message down to `leaf`. */
export function listBranch(db: Db, conversation: Conversation, leaf: string): Promise<Message[]> {
  return db.many(
    Message,
    `with recursive branch as (
       select m.*, 0 as depth from chat_messages m where id = $1 and conversation_id = $2 and deleted_at is null
       union all
       select p.*, depth + 1 from chat_messages p join branch b on p.id = b.parent_id)
     select * from branch order by depth desc`,
    [leaf, conversation.id],
  )
}

/** The last `limit` messages of the branch down to `leaf`, in their order; fewer when `first` is met before. */
export function listBranchEnd(
  db: Db,
  conversation: Conversation,
  leaf: string,
  limit: number,
  first: string | null = null,
): Promise<Message[]> {
  return db.many(
    Message,
    `with recursive branch as (
       select m.*, 1 as height from chat_messages m where id = $1 and conversation_id = $2 and deleted_at is null
       union all
       select p.*, height + 1 from chat_messages p join branch b on p.id = b.parent_id
       where height < $3 and b.id is distinct from $4::uuid)
     select * from branch order by height desc`,
    [leaf, conversation.id, limit, first],
  )
}

/** The next `limit` messages below one, along the newest branch through it. */
export function listBelow(db: Db, conversation: Conversation, id: string, limit: number): Promise<Message[]> {
  return db.many(
    Message,
    `with recursive below as (
       select m.*, 0 as depth from chat_messages m where id = $1 and conversation_id = $2
       union all
       select c.*, depth + 1 from below b cross join lateral (
         select * from chat_messages
         where conversation_id = $2 and parent_id = b.id and deleted_at is null order by number desc limit 1) c
       where depth < $3)
     select * from below where depth > 0 order by depth`,
    [id, conversation.id, limit],
  )
}

/** Every message of the conversation, all branches, parents before children. */
export function listMessages(db: Db, conversation: Conversation): Promise<Message[]> {
  return db.many(
    Message,
    `select * from chat_messages where conversation_id = $1 and deleted_at is null order by number`,
    [conversation.id],
  )
}

/** The end of the newest branch through a message; null: of the newest of all. */
export async function findLeafBelow(
  db: Db,
  conversation: Conversation,
  messageId: string | null,
): Promise<string | null> {
  // Two statements, so that each finds its row in an index.
  const start = messageId === null ? '$1::uuid is null and parent_id is null' : 'id = $1'
  const row = await db.maybeOne(
    z.object({ id: z.string() }),
    `with recursive down as (
       (select id, number from chat_messages
        where conversation_id = $2 and deleted_at is null and ${start}
        order by number desc limit 1)
       union all
       select c.id, c.number from down d cross join lateral (
         select id, number from chat_messages
         where conversation_id = $2 and parent_id = d.id and deleted_at is null order by number desc limit 1) c)
     select id from down order by number desc limit 1`,
    [messageId, conversation.id],
  )
  return row?.id ?? null
}

/** What stands under these parents, null for the beginning of the conversation, in its order. */
export async function listChildren(
  db: Db,
  conversation: Conversation,
  parents: readonly (string | null)[],
): Promise<{ id: string; parentId: string | null }[]> {
  return db.many(
    z.object({ id: z.string(), parentId: z.string().nullable() }),
    `select id, parent_id from (
       select id, parent_id, number from chat_messages
       where conversation_id = $1 and parent_id = any($2::uuid[]) and deleted_at is null
       union all
       select id, parent_id, number from chat_messages
       where $3 and conversation_id = $1 and parent_id is null and deleted_at is null) m
     order by number`,
    [conversation.id, parents.filter(each => each !== null), parents.includes(null)],
  )
}

/** Takes a message and all that stands below it out of sight; false while an answer there is being written. */
export async function deleteMessages(tx: Db, message: Message): Promise<boolean> {
  const changed = await tx.run(
    `with recursive below as (
       select id from chat_messages where id = $1
       union all
       select c.id from chat_messages c join below b on c.parent_id = b.id where c.conversation_id = $2)
     update chat_messages set deleted_at = now()
     where id in (select id from below) and deleted_at is null
       and not exists (select from replies where message_id in (select id from below) and state in ('queued', 'running'))`,
    [message.id, message.conversationId],
  )
  return changed > 0
}

/** Brings back what went with a message; false when that is not deleted, or the message above it is gone too. */
export async function restoreMessages(tx: Db, conversation: Conversation, messageId: string): Promise<boolean> {
  const changed = await tx.run(
    `with recursive gone as (
       select m.id, m.deleted_at from chat_messages m left join chat_messages p on p.id = m.parent_id
       where m.id = $1 and m.conversation_id = $2 and m.deleted_at is not null and p.deleted_at is null
       union all
       select c.id, c.deleted_at from chat_messages c join gone g on c.parent_id = g.id
       where c.conversation_id = $2 and c.deleted_at = g.deleted_at)
     update chat_messages set deleted_at = null where id in (select id from gone)`,
    [messageId, conversation.id],
  )
  return changed > 0
}

/** In their order, or at their positions. Safe to repeat. */
export async function insertAttachments(
  db: Db,
  messageId: string,
  attachments: readonly (Pick<Attachment, 'name' | 'token' | 'textId'> & Partial<Attachment>)[],
): Promise<void> {
  if (attachments.length === 0) return
  await db.run(
    `insert into chat_attachments (message_id, position, name, token, text_id, is_preview)
     select $1, position, name, token, text_id, is_preview
     from unnest($2::int[], $3::text[], $4::text[], $5::uuid[], $6::boolean[])
       as a (position, name, token, text_id, is_preview)
     on conflict do nothing`,
    [
      messageId,
      attachments.map((each, index) => each.position ?? index),
      attachments.map(each => each.name),
      attachments.map(each => each.token),
      attachments.map(each => each.textId),
      attachments.map(each => each.isPreview ?? false),
    ],
  )
}

/** Without what stands in the texts among them, which may be long: see `listTexts`. */
export function listAttachments(db: Db, messageIds: readonly string[]): Promise<Attachment[]> {
  return db.many(
    Attachment,
    `select * from chat_attachments where message_id = any($1) order by message_id, position`,
    [messageIds],
  )
}

const StoredText = z.object({ id: z.string(), name: z.string(), text: z.string() })
type StoredText = z.output<typeof StoredText>

export function insertText(db: Db, userId: number, name: string, text: string): Promise<StoredText> {
  return db.one(
    StoredText,
    `insert into chat_texts (user_id, name, text) values ($1, $2, $3) returning id, name, text`,
    [userId, name, text],
  )
}

export function findText(db: Db, userId: number, id: string): Promise<StoredText | null> {
  return db.maybeOne(StoredText, `select id, name, text from chat_texts where id = $1 and user_id = $2`, [id, userId])
}

/** A text as it is named where it is attached. */
export function listTextNames(
  db: Db,
  userId: number,
  ids: readonly string[],
): Promise<Pick<StoredText, 'id' | 'name'>[]> {
  const named = StoredText.pick({ id: true, name: true })
  return db.many(named, `select id, name from chat_texts where user_id = $1 and id = any($2)`, [userId, ids])
}

export function listTexts(db: Db, userId: number, ids: readonly string[]): Promise<StoredText[]> {
  return db.many(StoredText, `select id, name, text from chat_texts where user_id = $1 and id = any($2)`, [userId, ids])
}
