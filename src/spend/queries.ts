import { z } from 'zod'
import type { Prices } from '../account/prices.ts'
import type { Db } from '../db/db.ts'
import type { Charged, FailureReason } from '../gateway/errors.ts'
import { Evidence } from './evidence.ts'

// `numeric` arrives as text.
const usd = z.coerce.number().nullable()

/** What a call was for. */
export const receiptKinds = ['picture', 'answer', 'title', 'improve', 'describe'] as const
export type ReceiptKind = (typeof receiptKinds)[number]

const Receipt = z.object({
  id: z.string(),
  userId: z.number(),
  signInId: z.string().nullable(),
  kind: z.enum(receiptKinds),
  subject: z.string(),
  keyId: z.number(),
  model: z.string(),
  requestId: z.string().nullable(),
  calledAt: z.date(),
  /** Null while nobody has said so. */
  endedAt: z.date().nullable(),
  worksUntil: z.date().nullable(),
  lookAt: z.date().nullable(),
  looks: z.number(),
  usageId: z.number().nullable(),
  amount: usd,
  charged: z.enum(['yes', 'no', 'unknown']),
  evidence: Evidence.nullable(),
  /** Of a call for pictures, each that came. */
  delivered: z.array(z.unknown()).nullable(),
})
/** One call that is, was, or may have been paid for. */
export type Receipt = z.output<typeof Receipt>

export const EndedReceipt = Receipt.extend({ endedAt: z.date(), worksUntil: z.date() })
export type EndedReceipt = z.output<typeof EndedReceipt>

/** What is asked of the gateway, as far as it may be counted: never words, tokens or keys. */
export type Asked = Record<string, string | number | boolean | null>

/** What came of a call, as it was decoded here. */
export interface Delivered {
  width: number
  height: number
  format: string
  condition: string
  /** Of the bytes, in hexadecimal. */
  sha256?: string
  /** As the gateway says. */
  quality?: string
  background?: string
}

/** Names are copied: as they are when it is called. */
export type NewReceipt = Pick<Receipt, 'userId' | 'signInId' | 'subject' | 'keyId' | 'model'> & {
  keyName: string | null
  keyGroup: string | null
  asked: Asked
  /** US dollars, at most; null when nobody could tell. */
  estimate?: number | null
  /** What was reserved for it, in US dollars, and whether no bill above that can come back. */
  held: number | null
  isBounded: boolean
  /** No plan pays. */
  fromBalance: boolean
  /** The price list that it was made from. */
  prices?: Prices | null
  conversation?: { id: string; title: string | null } | null
  batchId?: string | null
  sshKey?: { id: string; name: string | null } | null
}

type Kind = ReceiptKind

const FIRST_LOOK_SECONDS = 1

/**
 * In the transaction that marks the call. Safe to repeat. `lostAfterSeconds`: it counts as ended then, in a way nobody
 * knows; null when its room notices that.
 */
export async function insertReceipt(
  tx: Db,
  kind: Kind,
  receipt: NewReceipt,
  lostAfterSeconds: number | null,
): Promise<void> {
  await tx.run(
    `insert into receipts (user_id, sign_in_id, kind, subject, key_id, key_name, key_group, model, asked, estimate,
       conversation_id, conversation_title, batch_id, ssh_key_id, ssh_key_name, held, is_bounded, from_balance, prices,
       called_at, look_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, now(),
       now() + make_interval(secs => $20))
     on conflict (kind, subject) where ended_at is null do update
       set called_at = excluded.called_at, look_at = excluded.look_at`,
    [
      receipt.userId,
      receipt.signInId,
      kind,
      receipt.subject,
      receipt.keyId,
      receipt.keyName,
      receipt.keyGroup,
      receipt.model,
      JSON.stringify(receipt.asked),
      receipt.estimate ?? null,
      receipt.conversation?.id ?? null,
      receipt.conversation?.title ?? null,
      receipt.batchId ?? null,
      receipt.sshKey?.id ?? null,
      receipt.sshKey?.name ?? null,
      receipt.held,
      receipt.isBounded,
      receipt.fromBalance,
      receipt.prices ? JSON.stringify(receipt.prices) : null,
      lostAfterSeconds,
    ],
  )
}

/** Nothing was sent after all. */
export async function deleteUnsent(tx: Db, kind: Kind, subject: string): Promise<void> {
  await tx.run(`delete from receipts where kind = $1 and subject = $2 and ended_at is null`, [kind, subject])
}

/** Of a call that is under way. */
export async function setRequestId(db: Db, kind: Kind, subject: string, requestId: string): Promise<void> {
  await db.run(`update receipts set request_id = $3 where kind = $1 and subject = $2 and ended_at is null`, [
    kind,
    subject,
    requestId,
  ])
}

export interface CallEnd {
  requestId: string | null
  charged: Charged
  reason: FailureReason | null
  /** For so long the gateway may go on working on it. */
  worksSeconds: number
  evidence: Evidence | null
  /** Null: not told. */
  delivered: readonly Delivered[] | null
  /** How many; null: not told. */
  previews: number | null
}

/**
 * Ends the newest call of this subject. Of one whose end is told a second time, better, what a row explains stays. Null
 * when there is none.
 */
export function endReceipt(tx: Db, kind: Kind, subject: string, end: CallEnd): Promise<EndedReceipt | null> {
  return tx.maybeOne(
    EndedReceipt,
    `update receipts set request_id = coalesce($3, request_id), ended_at = now(),
       works_until = now() + make_interval(secs => $5), looks = 0, delivered = coalesce($6, delivered), reason = $9,
       previews_came = coalesce($10, previews_came),
       charged = case when usage_id is null then $4 else charged end,
       look_at = case when usage_id is null and $4 <> 'no' then now() + make_interval(secs => $8) end,
       evidence = case when usage_id is null then $7 else evidence end
     where id = (select id from receipts where kind = $1 and subject = $2 order by called_at desc limit 1)
     returning *`,
    [
      kind,
      subject,
      end.requestId,
      end.charged,
      end.worksSeconds,
      end.delivered && JSON.stringify(end.delivered),
      end.evidence && JSON.stringify(end.evidence),
      FIRST_LOOK_SECONDS,
      end.reason,
      end.previews,
    ],
  )
}

/** The newest call of this subject, if it has ended in a way nobody knows. */
export function findInDoubt(db: Db, userId: number, kind: Kind, subject: string): Promise<EndedReceipt | null> {
  return db.maybeOne(
    EndedReceipt,
    `select * from receipts where user_id = $1 and kind = $2 and subject = $3 and ended_at is not null
       and charged = 'unknown' order by called_at desc limit 1`,
    [userId, kind, subject],
  )
}

const Used = z.object({ picturesToday: z.number(), spentToday: z.number(), spentTotal: z.number() })
/** What was called for an SSH key; days are those of UTC, money is US dollars. */
export type Used = z.output<typeof Used>

/** Counts the estimate of a call until its amount is known, and nothing for one that was free. */
export function sumOfSshKey(db: Db, sshKeyId: string): Promise<Used> {
  return db.one(
    Used,
    `select coalesce(sum(pictures) filter (where is_today), 0)::int as pictures_today,
       coalesce(sum(usd) filter (where is_today), 0)::float8 as spent_today, coalesce(sum(usd), 0)::float8 as spent_total
     from (select *, day = (now() at time zone 'utc')::date as is_today from ssh_key_days where ssh_key_id = $1) days`,
    [sshKeyId],
  )
}

/** What the person's keys were called when they last paid, by the gateway's number. */
export async function listKeyNames(db: Db, userId: number): Promise<Map<number, string>> {
  const rows = await db.many(
    z.object({ keyId: z.number(), keyName: z.string() }),
    `select key_id, max(key_name) as key_name from spend_days where user_id = $1 and key_name is not null group by 1`,
    [userId],
  )
  return new Map(rows.map(({ keyId, keyName }) => [keyId, keyName]))
}

/** Conversations that are gone for good: what they were called are somebody's words. */
export async function forgetNames(tx: Db, conversationIds: readonly string[]): Promise<void> {
  await tx.run(`update receipts set conversation_title = null where conversation_id = any($1::uuid[])`, [
    conversationIds,
  ])
}
