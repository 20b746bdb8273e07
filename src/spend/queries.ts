import { z } from 'zod'
import type { Prices } from '../account/prices.ts'
import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import type { Charged, FailureReason } from '../gateway/errors.ts'
import { Evidence, type Verdict } from './evidence.ts'

// `numeric` arrives as text.
const usd = z.coerce.number().nullable()

const Receipt = z.object({
  id: z.string(),
  userId: z.number(),
  signInId: z.string().nullable(),
  kind: z.enum(['picture', 'answer', 'title']),
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
})
/** One call that is, was, or may have been paid for. */
export type Receipt = z.output<typeof Receipt>

const EndedReceipt = Receipt.extend({ endedAt: z.date(), worksUntil: z.date() })
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

type Kind = Receipt['kind']

const FIRST_LOOK_SECONDS = 1
const LEASE_SECONDS = 120

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

/**
 * Those whose next look has come; a call that was to have ended by then is lost. Who takes them and dies leaves them to
 * others two minutes later.
 */
export function claimDueReceipts(db: Db, limit: number, lostWorksSeconds: number): Promise<EndedReceipt[]> {
  return db.many(
    EndedReceipt,
    `update receipts set look_at = now() + make_interval(secs => $2), ended_at = coalesce(ended_at, now()),
       works_until = coalesce(works_until, now() + make_interval(secs => $3))
     where id in (select id from receipts where look_at <= now() order by look_at limit $1 for update skip locked)
     returning *`,
    [limit, LEASE_SECONDS, lostWorksSeconds],
  )
}

/** Of these, the ones that nobody has settled meanwhile are looked at again then. */
export async function postponeLook(db: Db, receipts: readonly Receipt[], seconds: number): Promise<void> {
  await db.run(
    `update receipts set look_at = now() + make_interval(secs => $2) where id = any($1) and look_at is not null`,
    [receipts.map(({ id }) => id), seconds],
  )
}

/** The gateway can be asked again in the name of this person: what could not be looked up is not waited for any longer. */
export async function lookAtAllOf(db: Db, userId: number): Promise<void> {
  await db.run(
    `update receipts set look_at = now() where user_id = $1 and look_at > now() and ended_at is not null
       and amount is null and charged <> 'no'`,
    [userId],
  )
}

/** The time by which receipts are kept: that of this machine may be another. */
export async function clock(db: Db): Promise<Date> {
  return (await db.one(z.object({ now: z.date() }), `select clock_timestamp() as now`)).now
}

/** Whoever has it is alone in joining this person's calls and rows. */
export const settlingLock = lockOfPerson('settling', 743_001)

/** Of these, the ones that no row explains and that were not free. */
export function listUnexplained(tx: Db, receipts: readonly Receipt[]): Promise<EndedReceipt[]> {
  return tx.many(
    EndedReceipt,
    `select * from receipts where id = any($1) and usage_id is null and charged <> 'no' and ended_at is not null
     order by id`,
    [receipts.map(({ id }) => id)],
  )
}

/** Which of these rows other calls of this person explain: by the row itself, or by its request id. */
export async function listExplained(
  tx: Db,
  userId: number,
  rows: readonly { id: number; requestId: string }[],
): Promise<Set<number>> {
  const found = await tx.many(
    z.object({ usageId: z.number() }),
    `select row.id as usage_id from unnest($2::bigint[], $3::text[]) as row (id, request_id)
     where exists (select from receipts r where r.user_id = $1 and (r.usage_id = row.id or r.request_id = row.request_id))`,
    [userId, rows.map(({ id }) => id), rows.map(({ requestId }) => requestId)],
  )
  return new Set(found.map(({ usageId }) => usageId))
}

/** Whether the row explains a call already. */
export async function isTaken(tx: Db, userId: number, usageId: number): Promise<boolean> {
  const taken = await tx.maybeOne(
    z.object({ id: z.string() }),
    `select id from receipts where user_id = $1 and usage_id = $2`,
    [userId, usageId],
  )
  return taken !== null
}

// Accounts of the gateway may map one image model to another, and bill it under that name.
const isAlike = `(model = $3 or (model like 'gpt-image-%' and $3 like 'gpt-image-%'))`

/** Other calls without a request id that the same row could explain, those under way among them. */
export async function countRivals(tx: Db, receipt: EndedReceipt): Promise<number> {
  const { count } = await tx.one(
    z.object({ count: z.number() }),
    `select count(*) from receipts where user_id = $1 and key_id = $2 and ${isAlike} and id <> $4 and request_id is null
       and usage_id is null and charged <> 'no' and called_at < $6 and coalesce(ended_at, 'infinity') > $5`,
    [receipt.userId, receipt.keyId, receipt.model, receipt.id, receipt.calledAt, receipt.endedAt],
  )
  return count
}

/** What a look, or the person, has said; `lookAt`: the next one. */
export async function recordVerdict(tx: Db, receipt: Receipt, verdict: Verdict, lookAt: Date | null): Promise<void> {
  const { bill } = verdict
  await tx.run(
    `update receipts set looks = looks + 1, look_at = $2, usage_id = $3, amount = $4, evidence = $5, charged = $6,
       billed_by = $7, billed_tier = $8, billed_count = $9, billed_rate = $10
     where id = $1`,
    [
      receipt.id,
      lookAt,
      verdict.usageId,
      verdict.amount,
      verdict.evidence && JSON.stringify(verdict.evidence),
      verdict.charged,
      bill?.by ?? null,
      bill?.tier ?? null,
      bill?.count ?? null,
      bill?.rate ?? null,
    ],
  )
}

/** One row fewer may be the one they look for. */
export async function lookAgainAtUnclear(tx: Db, userId: number): Promise<void> {
  await tx.run(
    `update receipts set look_at = now() where user_id = $1 and usage_id is null and charged = 'unknown'
       and evidence->>'outcome' = 'unclear'`,
    [userId],
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
