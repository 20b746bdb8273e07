import { z } from 'zod'
import type { Db } from '../../db/db.ts'
import type { WindowName } from '../../gateway/windows.ts'
import { leases } from '../../work/leases.ts'
import { CHANNEL, tellPages } from '../notify-queries.ts'
import { Reply } from '../reply-queries.ts'

/** An answer that this process writes: nobody else can while the claim holds. */
const ClaimedReply = Reply.extend({ claim: z.string() })
export type ClaimedReply = z.output<typeof ClaimedReply>

export const replyLeases = leases({
  table: 'replies',
  id: 'message_id',
  row: ClaimedReply,
  lock: 742_001,
  onClaim: 'waits_for = null',
  parks: { sent: '(called_at is not null)', kind: 'reply' },
})

/**
 * The last step before the gateway is asked: from here on the answer is never asked for again by itself. Null when the
 * claim no longer holds or a stop came first.
 */
export function markCalled(db: Db, reply: ClaimedReply): Promise<ClaimedReply | null> {
  return db.maybeOne(
    ClaimedReply,
    `update replies set called_at = now()
     where message_id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null returning *`,
    [reply.messageId, reply.claim],
  )
}

/** It was not sent after all, as only the process that marked it can know. False when the claim no longer holds. */
export async function unmarkCalled(db: Db, reply: ClaimedReply): Promise<boolean> {
  const changed = await db.run(
    `update replies set called_at = null where message_id = $1 and claim = $2 and state = 'running'`,
    [reply.messageId, reply.claim],
  )
  return changed === 1
}

export async function setRequestId(db: Db, reply: ClaimedReply, requestId: string): Promise<void> {
  await db.run(`update replies set request_id = $3 where message_id = $1 and claim = $2`, [
    reply.messageId,
    reply.claim,
    requestId,
  ])
}

const Delta = z.object({ seq: z.number(), kind: z.enum(['text', 'reasoning']), text: z.string() })
export type Delta = z.output<typeof Delta>

/** Adds what has come and wakes the pages that show it; nothing when the claim no longer holds. Safe to repeat. */
export async function appendDeltas(db: Db, reply: ClaimedReply, deltas: readonly Delta[]): Promise<void> {
  await db.run(
    `with mine as (select message_id from replies where message_id = $1 and claim = $2 and state = 'running'),
       added as (
         insert into reply_deltas (message_id, seq, kind, text)
         select message_id, seq, kind, text from mine, unnest($3::int[], $4::text[], $5::text[]) as d (seq, kind, text)
         on conflict do nothing returning seq)
     select pg_notify($6, $7) where exists (select from added)`,
    [
      reply.messageId,
      reply.claim,
      deltas.map(delta => delta.seq),
      deltas.map(delta => delta.kind),
      deltas.map(delta => delta.text),
      CHANNEL,
      `${reply.conversationId} text`,
    ],
  )
}

export function listDeltas(db: Db, messageId: string, after: number): Promise<Delta[]> {
  return db.many(Delta, `select seq, kind, text from reply_deltas where message_id = $1 and seq > $2 order by seq`, [
    messageId,
    after,
  ])
}

/** How an answer ended. */
export interface ReplyEnding {
  state: 'done' | 'failed' | 'unknown' | 'stopped'
  text: string
  reasoning: string
  html: string
  cutBy?: string | null
  usage?: Pick<Reply, 'inputTokens' | 'cachedTokens' | 'outputTokens' | 'reasoningTokens'> | null
  reason?: Reply['failureReason']
  charged?: Reply['charged']
  detail?: string | null | undefined
  retryAt?: Date | null | undefined
  requestId?: string | null | undefined
}

/**
 * Ends an answer, erases its key and moves its text into its row. A worker that was thought dead may still tell better
 * than `unknown`: its claim stays on the row. Null when the claim does not hold.
 */
export async function finishReply(tx: Db, reply: ClaimedReply, ending: ReplyEnding): Promise<Reply | null> {
  const { usage } = ending
  const ended = await tx.maybeOne(
    Reply,
    `update replies set state = $3, version = version + 1, finished_at = now(), key_secret = null, lease_until = null,
       text = $4, reasoning = $5, html = $6, cut_by = $7, input_tokens = $8, cached_tokens = $9, output_tokens = $10,
       reasoning_tokens = $11, failure_reason = $12,
       charged = case when cost is null then $13 else 'yes' end, failure_detail = $14, retry_at = $15,
       request_id = coalesce($16, request_id)
     where message_id = $1 and claim = $2 and state in ('running', 'unknown') returning *`,
    [
      reply.messageId,
      reply.claim,
      ending.state,
      ending.text,
      ending.reasoning,
      ending.html,
      ending.cutBy ?? null,
      usage?.inputTokens ?? null,
      usage?.cachedTokens ?? null,
      usage?.outputTokens ?? null,
      usage?.reasoningTokens ?? null,
      ending.reason ?? null,
      ending.charged ?? null,
      ending.detail ?? null,
      ending.retryAt ?? null,
      ending.requestId ?? null,
    ],
  )
  if (!ended) return null
  await tx.run(`delete from reply_deltas where message_id = $1`, [reply.messageId])
  await tellPages(tx, reply.conversationId, 'change')
  return ended
}

/**
 * Back into the queue: at `notBefore` because the gateway proved that nothing was charged, or at once, null, when nothing
 * was sent yet. To wait for a window of the key is no attempt. False when a stop came first.
 */
export async function requeueReply(
  db: Db,
  reply: ClaimedReply,
  notBefore: Date | null,
  waitsFor: WindowName | null = null,
): Promise<boolean> {
  const changed = await db.run(
    `update replies set state = 'queued', version = version + 1, claim = null, lease_until = null, called_at = null,
       request_id = null, not_before = $3, waits_for = $4,
       attempts = attempts - case when $4::text is null then 0 else 1 end
     where message_id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null
       and ($3::timestamptz is not null or called_at is null)`,
    [reply.messageId, reply.claim, notBefore, waitsFor],
  )
  if (changed === 1) await tellPages(db, reply.conversationId, 'change')
  return changed === 1
}
