import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { WindowName } from '../gateway/windows.ts'
import { Evidence, type Verdict } from '../spend/evidence.ts'
import { tell } from '../work/news-queries.ts'
import { paidCall } from '../work/paid-call.ts'
import type { Conversation } from './conversation-queries.ts'
import { CHANNEL, tellPages } from './notify-queries.ts'

export const Reply = z.object({
  ...paidCall,
  messageId: z.string(),
  conversationId: z.string(),
  state: z.enum(['queued', 'running', 'done', 'failed', 'unknown', 'stopped']),
  purpose: z.enum(['answer', 'close']),
  model: z.string(),
  effort: z.string().nullable(),
  keyId: z.number().nullable(),
  /** US dollars: what it may come to, as far as is known; no upper bound. */
  expected: z.number().nullable(),
  fromBalance: z.boolean(),
  text: z.string(),
  reasoning: z.string(),
  html: z.string().nullable(),
  cutBy: z.string().nullable(),
  inputTokens: z.number().nullable(),
  cachedTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  reasoningTokens: z.number().nullable(),
  evidence: Evidence.nullable(),
})
export type Reply = z.output<typeof Reply>

interface NewReply {
  messageId: string
  conversationId: string
  userId: number
  signInId: string | null
  purpose: Reply['purpose']
  model: string
  effort: string | null
  keyId: number
  keyName: string | null
  keyGroup: string | null
  keySecret: Buffer
  fromBalance: boolean
  expected: number | null
  caller: { address: string; userAgent: string }
  /** A window of the key is full. */
  waits: { for: WindowName; until: Date } | null
}

export async function insertReply(db: Db, reply: NewReply): Promise<void> {
  await db.run(
    `insert into replies (message_id, conversation_id, user_id, sign_in_id, purpose, model, effort, key_id, key_secret,
       caller_address, caller_user_agent, waits_for, not_before, key_name, key_group,
       from_balance, expected)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
    [
      reply.messageId,
      reply.conversationId,
      reply.userId,
      reply.signInId,
      reply.purpose,
      reply.model,
      reply.effort,
      reply.keyId,
      reply.keySecret,
      reply.caller.address,
      reply.caller.userAgent,
      reply.waits?.for ?? null,
      reply.waits?.until ?? null,
      reply.keyName,
      reply.keyGroup,
      reply.fromBalance,
      reply.expected,
    ],
  )
}

/** An answer that was written elsewhere, read back from a snapshot. */
export async function insertFinishedReply(
  db: Db,
  reply: Pick<NewReply, 'messageId' | 'conversationId' | 'userId' | 'model' | 'effort'> &
    Pick<Reply, 'state' | 'text' | 'reasoning' | 'html' | 'cutBy' | 'inputTokens' | 'outputTokens' | 'failureReason'>,
): Promise<void> {
  await db.run(
    `insert into replies (message_id, conversation_id, user_id, purpose, model, effort, caller_address, caller_user_agent,
       state, text, reasoning, html, cut_by, input_tokens, output_tokens, failure_reason, finished_at)
     values ($1, $2, $3, 'answer', $4, $5, '', '', $6, $7, $8, $9, $10, $11, $12, $13, now())`,
    [
      reply.messageId,
      reply.conversationId,
      reply.userId,
      reply.model,
      reply.effort,
      reply.state,
      reply.text,
      reply.reasoning,
      reply.html,
      reply.cutBy,
      reply.inputTokens,
      reply.outputTokens,
      reply.failureReason,
    ],
  )
}

export function findReply(db: Db, userId: number, messageId: string): Promise<Reply | null> {
  return db.maybeOne(Reply, `select * from replies where message_id = $1 and user_id = $2`, [messageId, userId])
}

export function listReplies(db: Db, messageIds: readonly string[]): Promise<Reply[]> {
  return db.many(Reply, `select * from replies where message_id = any($1)`, [messageIds])
}

const Tokens = z.object({ input: z.number(), output: z.number() })

/** What all answers of a conversation said that they used, those of other branches and deleted ones included. */
export function sumTokens(db: Db, conversation: Pick<Conversation, 'id'>): Promise<z.output<typeof Tokens>> {
  return db.one(
    Tokens,
    `select coalesce(sum(input_tokens), 0)::int8 as input, coalesce(sum(output_tokens), 0)::int8 as output
     from replies where conversation_id = $1`,
    [conversation.id],
  )
}

/** Answers of a conversation that wait or are being written. */
export function listUnfinished(db: Db, conversationId: string): Promise<Reply[]> {
  return db.many(Reply, `select * from replies where conversation_id = $1 and state in ('queued', 'running')`, [
    conversationId,
  ])
}

/** Answers that came back from a backup and wait for the operator. */
export function listParked(tx: Db): Promise<Reply[]> {
  return tx.many(
    Reply,
    `select * from replies where parked_at is not null and state in ('queued', 'running') for update`,
  )
}

export async function countUnfinished(db: Db, userId: number): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) from replies where user_id = $1 and state in ('queued', 'running')`,
    [userId],
  )
  return count
}

/** Ends an answer that waits, or asks the worker that writes it to stop. False when it had ended already. */
export async function stopReply(db: Db, reply: Reply): Promise<boolean> {
  const ended = await db.run(
    `update replies set state = 'stopped', version = version + 1, finished_at = now(), key_secret = null,
       charged = case when parked_at is null then 'no' else 'unknown' end, html = '' where message_id = $1 and state = 'queued'`,
    [reply.messageId],
  )
  if (ended === 1) {
    await tell(db, 'answer-ended', { userId: reply.userId, subject: reply.messageId })
    await tellPages(db, reply.conversationId, 'change')
    return true
  }
  const asked = await db.run(
    `update replies set cancel_requested_at = coalesce(cancel_requested_at, now())
     where message_id = $1 and state = 'running'`,
    [reply.messageId],
  )
  if (asked === 1) await db.run(`select pg_notify($1, $2)`, [CHANNEL, `stop ${reply.messageId}`])
  return asked === 1
}

/** For an answer that waits for a window of its key: another one pays. False when it does not wait any more. */
export async function changeReplyKey(
  tx: Db,
  reply: Reply,
  key: Pick<NewReply, 'keyId' | 'keyName' | 'keyGroup' | 'keySecret' | 'fromBalance' | 'waits'>,
): Promise<boolean> {
  const changed = await tx.run(
    `update replies set key_id = $3, key_secret = $4, waits_for = $5, not_before = $6, key_name = $7, key_group = $8,
       from_balance = $9, version = version + 1
     where message_id = $1 and user_id = $2 and state = 'queued' and waits_for is not null`,
    [
      reply.messageId,
      reply.userId,
      key.keyId,
      key.keySecret,
      key.waits?.for ?? null,
      key.waits?.until ?? null,
      key.keyName,
      key.keyGroup,
      key.fromBalance,
    ],
  )
  return changed === 1
}

/** A window of the key has opened before its time: nothing waits for it any more. Those that did. */
export function releaseReplies(db: Db, userId: number, keyId: number): Promise<Reply[]> {
  return db.many(
    Reply,
    `update replies set not_before = null, waits_for = null, version = version + 1
     where user_id = $1 and key_id = $2 and state = 'queued' and waits_for is not null returning *`,
    [userId, keyId],
  )
}

/** What was found out about the money for an answer. Null when it is gone. */
export function setReplyVerdict(tx: Db, userId: number, messageId: string, verdict: Verdict): Promise<Reply | null> {
  const { charged, amount, evidence } = verdict
  return tx.maybeOne(
    Reply,
    `update replies set charged = $3, cost = coalesce($4, cost), evidence = coalesce($5, evidence)
     where message_id = $1 and user_id = $2 returning *`,
    [messageId, userId, charged, amount, evidence && JSON.stringify(evidence)],
  )
}
