import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import type { Verdict } from './evidence.ts'
import { EndedReceipt, type Receipt } from './queries.ts'

const LEASE_SECONDS = 120

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
