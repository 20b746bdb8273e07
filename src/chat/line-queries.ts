import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Conversation } from './conversation-queries.ts'

const Held = z.object({
  key: z.string(),
  params: z.record(z.string(), z.unknown()),
  see: z.object({ href: z.string(), words: z.string() }).nullable(),
})
/** Why a message does not go by itself: as `Refusal` says it. */
export type Held = z.output<typeof Held>

const Attached = z.union([z.object({ token: z.string(), name: z.string() }), z.object({ textId: z.string() })])

const InLine = z.object({
  id: z.string(),
  conversationId: z.string(),
  userId: z.number(),
  afterId: z.string().nullable(),
  submission: z.string(),
  text: z.string(),
  attachments: z.array(Attached),
  model: z.string(),
  effort: z.string().nullable(),
  signInId: z.string().nullable(),
  callerAddress: z.string(),
  callerUserAgent: z.string(),
  held: Held.nullable(),
})
/** A message that waits for its turn. */
export type InLine = z.output<typeof InLine>

type NewInLine = Omit<InLine, 'id' | 'held'>

export async function insertInLine(tx: Db, message: NewInLine): Promise<void> {
  await tx.run(
    `insert into chat_line (conversation_id, user_id, after_id, submission, text, attachments, model, effort, sign_in_id,
       caller_address, caller_user_agent) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      message.conversationId,
      message.userId,
      message.afterId,
      message.submission,
      message.text,
      JSON.stringify(message.attachments),
      message.model,
      message.effort,
      message.signInId,
      message.callerAddress,
      message.callerUserAgent,
    ],
  )
}

/** In the order in which they go. */
export function listLine(db: Db, { id, userId }: Pick<Conversation, 'id' | 'userId'>): Promise<InLine[]> {
  return db.many(
    InLine,
    `select * from chat_line where conversation_id = $1 and user_id = $2 and removed_at is null order by number`,
    [id, userId],
  )
}

export function findInLineBySubmission(db: Db, userId: number, submission: string): Promise<InLine | null> {
  return db.maybeOne(InLine, `select * from chat_line where user_id = $1 and submission = $2`, [userId, submission])
}

/** Takes a message out of the line for good; null when it is not there any more: sent, or removed. */
export function takeFromLine(
  tx: Db,
  { id, userId }: Pick<Conversation, 'id' | 'userId'>,
  rowId: string,
): Promise<InLine | null> {
  return tx.maybeOne(
    InLine,
    `delete from chat_line where id = $3 and conversation_id = $1 and user_id = $2 and removed_at is null returning *`,
    [id, userId, rowId],
  )
}

/** Those behind it go after what it was answered with. */
export async function moveLineBehind(tx: Db, taken: InLine, messageId: string): Promise<void> {
  await tx.run(
    `update chat_line set after_id = $3 where conversation_id = $1 and after_id is not distinct from $2::uuid`,
    [taken.conversationId, taken.afterId, messageId],
  )
}

/** It does not go by itself any more. */
export async function holdInLine(db: Db, { id }: Pick<InLine, 'id'>, held: Held): Promise<void> {
  await db.run(`update chat_line set held = $2 where id = $1`, [id, JSON.stringify(held)])
}

/** Whether what is said at the end of a branch has to wait: an answer is being written there, or others wait and go by themselves. */
export async function isBusy(
  tx: Db,
  { id, userId }: Pick<Conversation, 'id' | 'userId'>,
  leaf: string,
): Promise<boolean> {
  const { busy } = await tx.one(
    z.object({ busy: z.boolean() }),
    `select exists (select from replies where message_id = $3 and finished_at is null)
       or coalesce((select held is null from chat_line where conversation_id = $1 and user_id = $2 and removed_at is null
         order by number limit 1), false) as busy`,
    [id, userId, leaf],
  )
  return busy
}

/** Out of the line, or back into it and held. False when it is not there. */
export async function setRemoved(
  db: Db,
  { id, userId }: Pick<Conversation, 'id' | 'userId'>,
  rowId: string,
  held: Held | null,
): Promise<boolean> {
  const changed = await db.run(
    `update chat_line set removed_at = case when $4::jsonb is null then now() end, held = $4
     where id = $3 and conversation_id = $1 and user_id = $2 and (removed_at is null) = ($4::jsonb is null)`,
    [id, userId, rowId, held && JSON.stringify(held)],
  )
  return changed === 1
}

const Waiting = z.object({ conversation: z.string(), text: z.string(), attachments: z.unknown(), createdAt: z.date() })

/** All that a person has in line, for them to take along. */
export function listAllInLine(db: Db, userId: number): Promise<z.output<typeof Waiting>[]> {
  return db.many(
    Waiting,
    `select conversation_id as conversation, text, attachments, created_at from chat_line
     where user_id = $1 and removed_at is null order by number`,
    [userId],
  )
}

export async function deleteLines(tx: Db, userId: number): Promise<void> {
  await tx.run(`delete from chat_line where user_id = $1`, [userId])
}
