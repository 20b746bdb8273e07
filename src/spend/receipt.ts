import type { Db } from '../db/db.ts'
import type { Charged, FailureReason } from '../gateway/errors.ts'
import type { Verdict } from './evidence.ts'
import * as queries from './queries.ts'

/** Puts what was found out where the room of the call shows it, in the transaction that keeps it. */
export type Tell = (tx: Db, receipt: queries.Receipt, verdict: Verdict) => Promise<void>

/** Calls of one kind, as their room says once. */
export interface CallKind {
  kind: queries.Receipt['kind']
  /** So long after the call its end is given up; null where a row with a lease stands for it. */
  lostAfterSeconds: number | null
  tell: Tell
}

/** How a call ended here, whatever the gateway still does with it. */
export interface EndedCall {
  requestId: string | null
  charged: Charged
  reason: FailureReason | null
  /** Pictures; null where that is not told. */
  delivered?: readonly queries.Delivered[]
  /** How many previews came; null where that is not told. */
  previews?: number | null
}

// The gateway writes a row some seconds after a reply. With a call that we left, or that broke, it goes on for as long
// as its own provider takes.
const AFTER_A_REPLY = 60
const FOR_THE_AMOUNT = 10 * 60
export const AFTER_A_BREAK = 20 * 60
const broken: ReadonlySet<FailureReason | null> = new Set<FailureReason | null>([
  'gateway_down',
  'timeout',
  'interrupted',
  null,
])

/** Before the call, in the transaction that marks it: whatever becomes of this process, the call is known. Safe to repeat. */
export async function openReceipt(
  tx: Db,
  { kind, lostAfterSeconds }: CallKind,
  call: queries.NewReceipt,
): Promise<void> {
  await queries.insertReceipt(tx, kind, call, lostAfterSeconds)
}

/** Nothing was sent after all, as only the process that opened it can know. */
export async function withdrawReceipt(tx: Db, { kind }: CallKind, subject: string): Promise<void> {
  await queries.deleteUnsent(tx, kind, subject)
}

/** Under which the gateway files the usage row of a call that is under way; null before it told any. */
export async function noteRequestId(
  db: Db,
  { kind }: CallKind,
  subject: string,
  requestId: string | null,
): Promise<void> {
  if (requestId) await queries.setRequestId(db, kind, subject, requestId)
}

/**
 * Ends the newest call of this subject, and has it settled when it may have been paid for; its room hears at once that it
 * is being looked for. A call whose end is told a second time, better, has one receipt all the same.
 */
export async function endReceipt(tx: Db, { kind, tell }: CallKind, subject: string, call: EndedCall): Promise<void> {
  const { requestId, charged, reason, delivered = null, previews = null } = call
  const isSure = charged === 'yes' && reason === null
  const worksSeconds =
    charged === 'no' ? 0 : isSure ? FOR_THE_AMOUNT : broken.has(reason) ? AFTER_A_BREAK : AFTER_A_REPLY
  const until = new Date(Date.now() + worksSeconds * 1000)
  const evidence =
    charged === 'unknown'
      ? { outcome: 'too_early' as const, at: new Date(), until, usageId: null, candidates: [] }
      : null
  const receipt = await queries.endReceipt(tx, kind, subject, {
    requestId,
    charged,
    reason,
    worksSeconds,
    evidence,
    delivered,
    previews,
  })
  if (receipt && evidence && receipt.usageId === null)
    await tell(tx, receipt, { charged, amount: null, usageId: null, bill: null, evidence })
}
