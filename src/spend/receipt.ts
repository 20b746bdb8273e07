import type { Db } from '../db/db.ts'
import type { Charged, FailureReason } from '../gateway/errors.ts'
import * as queries from './queries.ts'
import type { Tell } from './settle.ts'

/** A call that has ended here, whatever the gateway still does with it. */
export type EndedCall = Omit<queries.NewReceipt, 'worksSeconds' | 'certain' | 'evidence' | 'calledAt'> & {
  /** Null: nothing was sent. */
  calledAt: Date | null
  charged: Charged
  reason: FailureReason | null
}

// The gateway writes a row some seconds after a reply. With a call that we left, or that broke, it goes on for as long
// as its own provider takes.
const AFTER_A_REPLY = 60
const FOR_THE_AMOUNT = 10 * 60
const AFTER_A_BREAK = 20 * 60
const broken: ReadonlySet<FailureReason | null> = new Set<FailureReason | null>([
  'gateway_down',
  'timeout',
  'interrupted',
  null,
])

/** Has the call settled, when it may have been paid for; `tell` hears at once that it is being looked for. */
export async function fileReceipt(tx: Db, call: EndedCall, tell: Tell): Promise<void> {
  const { calledAt, charged, reason, ...rest } = call
  if (!calledAt || charged === 'no') return queries.deleteReceipt(tx, call.kind, call.subject)
  const certain = charged === 'yes'
  const worksSeconds = certain && reason === null ? FOR_THE_AMOUNT : broken.has(reason) ? AFTER_A_BREAK : AFTER_A_REPLY
  const until = new Date(Date.now() + worksSeconds * 1000)
  const evidence = certain
    ? null
    : { outcome: 'too_early' as const, at: new Date(), until, usageId: null, candidates: [] }
  const receipt = await queries.upsertReceipt(tx, { ...rest, calledAt, certain, worksSeconds, evidence })
  if (evidence && receipt.usageId === null)
    await tell(tx, receipt, { charged, cost: null, usageId: null, billingMode: null, evidence })
}
