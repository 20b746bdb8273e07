import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import { Evidence, type Verdict } from './evidence.ts'

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
  endedAt: z.date(),
  certain: z.boolean(),
  worksUntil: z.date(),
  lookAt: z.date().nullable(),
  looks: z.number(),
  usageId: z.number().nullable(),
  cost: z.number().nullable(),
  evidence: Evidence.nullable(),
})
/** One paid call, or one that may have been. */
export type Receipt = z.output<typeof Receipt>

export type NewReceipt = Pick<
  Receipt,
  'userId' | 'signInId' | 'kind' | 'subject' | 'keyId' | 'model' | 'requestId' | 'calledAt' | 'certain' | 'evidence'
> & { worksSeconds: number }

const FIRST_LOOK_SECONDS = 1
const LEASE_SECONDS = 120

/** A call whose end is told a second time, better, has one receipt all the same. */
export function upsertReceipt(tx: Db, receipt: NewReceipt): Promise<Receipt> {
  return tx.one(
    Receipt,
    `insert into receipts as r (user_id, sign_in_id, kind, subject, key_id, model, request_id, called_at, ended_at, certain,
       works_until, look_at, evidence)
     values ($1, $2, $3, $4, $5, $6, $7, $8, now(), $9, now() + make_interval(secs => $10), now() + make_interval(secs => $11), $12)
     on conflict (kind, subject) do update set request_id = coalesce(excluded.request_id, r.request_id),
       ended_at = excluded.ended_at, certain = excluded.certain, works_until = excluded.works_until, looks = 0,
       look_at = case when r.usage_id is null then excluded.look_at end,
       evidence = case when r.usage_id is null then excluded.evidence else r.evidence end
     returning *`,
    [
      receipt.userId,
      receipt.signInId,
      receipt.kind,
      receipt.subject,
      receipt.keyId,
      receipt.model,
      receipt.requestId,
      receipt.calledAt,
      receipt.certain,
      receipt.worksSeconds,
      FIRST_LOOK_SECONDS,
      receipt.evidence && JSON.stringify(receipt.evidence),
    ],
  )
}

export function findReceipt(db: Db, userId: number, kind: Receipt['kind'], subject: string): Promise<Receipt | null> {
  return db.maybeOne(Receipt, `select * from receipts where user_id = $1 and kind = $2 and subject = $3`, [
    userId,
    kind,
    subject,
  ])
}

/** The call proved to be free after all. One that a row explains stays. */
export async function deleteReceipt(tx: Db, kind: Receipt['kind'], subject: string): Promise<void> {
  await tx.run(`delete from receipts where kind = $1 and subject = $2 and usage_id is null`, [kind, subject])
}

/** Those whose next look has come. Who takes them and dies leaves them to others two minutes later. */
export function claimDueReceipts(db: Db, limit: number): Promise<Receipt[]> {
  return db.many(
    Receipt,
    `update receipts set look_at = now() + make_interval(secs => $2)
     where id in (select id from receipts where look_at <= now() order by look_at limit $1 for update skip locked)
     returning *`,
    [limit, LEASE_SECONDS],
  )
}

export async function postponeLook(db: Db, receipts: readonly Receipt[], until: Date): Promise<void> {
  await db.run(`update receipts set look_at = $2 where id = any($1)`, [receipts.map(({ id }) => id), until])
}

/** Whoever has it is alone in joining this person's calls and rows. */
export const settlingLock = lockOfPerson('settling', 743_001)

/** Of these, the ones that are still not explained. */
export function listOpen(tx: Db, receipts: readonly Receipt[]): Promise<Receipt[]> {
  return tx.many(
    Receipt,
    `select * from receipts where id = any($1) and usage_id is null and evidence->>'outcome' is distinct from 'decided'`,
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

/** Other calls without a request id that the same row could explain. */
export async function countRivals(tx: Db, receipt: Receipt): Promise<number> {
  const { count } = await tx.one(
    z.object({ count: z.number() }),
    `select count(*) from receipts where user_id = $1 and key_id = $2 and ${isAlike} and id <> $4 and request_id is null
       and usage_id is null and evidence->>'outcome' is distinct from 'decided'
       and evidence->>'outcome' is distinct from 'not_charged' and called_at < $6 and ended_at > $5`,
    [receipt.userId, receipt.keyId, receipt.model, receipt.id, receipt.calledAt, receipt.endedAt],
  )
  return count
}

/** What a look, or the person, has said; `lookAt`: the next one. */
export async function recordVerdict(tx: Db, receipt: Receipt, verdict: Verdict, lookAt: Date | null): Promise<void> {
  await tx.run(
    `update receipts set looks = looks + 1, look_at = $2, usage_id = $3, cost = $4, evidence = $5, certain = certain or $6
     where id = $1`,
    [
      receipt.id,
      lookAt,
      verdict.usageId,
      verdict.cost,
      verdict.evidence && JSON.stringify(verdict.evidence),
      verdict.charged === 'yes',
    ],
  )
}

/** One row fewer may be the one they look for. */
export async function lookAgainAtUnclear(tx: Db, userId: number): Promise<void> {
  await tx.run(
    `update receipts set look_at = now() where user_id = $1 and usage_id is null and evidence->>'outcome' = 'unclear'`,
    [userId],
  )
}
