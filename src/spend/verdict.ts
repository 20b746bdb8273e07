import { isDeepStrictEqual } from 'node:util'
import type { Db } from '../db/db.ts'
import type { Usage } from '../gateway/schemas.ts'
import type { Bill, Evidence, Verdict } from './evidence.ts'
import type * as queries from './queries.ts'
import { countRivals, isTaken, listExplained } from './settle-queries.ts'
import type { UsageList } from './usage.ts'

// The gateway's clock is not ours.
export const CLOCKS_MS = 2 * 60_000

/** What the usage rows say of a call that no row explains yet. */
export async function verdictOn(tx: Db, receipt: queries.EndedReceipt, usage: UsageList): Promise<Verdict> {
  const { rows, since, askedAt } = usage
  const own = rows.find(row => isOwn(row, receipt))
  if (own) return billed(receipt, own, await isTaken(tx, receipt.userId, own.id), askedAt)
  const near = rows.filter(row => mayBe(row, receipt))
  const explained = await listExplained(tx, receipt.userId, near)
  const strange = near.filter(row => !explained.has(row.id))
  const isOver = receipt.worksUntil <= askedAt
  // Of a call that was answered, and without an id: what else can the row be. Of one that may not have been billed at all
  // it proves nothing, even alone: the key may pay for other programs of the person too. That is theirs to say.
  if (receipt.charged === 'yes') {
    const rows = receipt.requestId === null ? strange.filter(row => isSameModel(row.model, receipt.model)) : []
    const isAlone = rows.length === 1 && (await countRivals(tx, receipt)) === 0
    const its = isAlone ? rows : isOver ? sameBills(rows, receipt) : []
    return its[0] ? billed(receipt, its[0], false, askedAt) : noAmount
  }
  if (!isOver) return open('too_early', [], askedAt)
  const isWhole = since.getTime() < receipt.calledAt.getTime() - CLOCKS_MS
  if (isWhole && strange.length === 0)
    return { charged: 'no', amount: null, usageId: null, bill: null, evidence: evidenceOf('not_charged', askedAt) }
  return open('unclear', strange, askedAt)
}

/** When the gateway could not be asked: what it last said, and what the person may say of it, stays. */
export function unheard(receipt: queries.Receipt, at: Date): Verdict {
  if (receipt.charged === 'yes') return noAmount
  const evidence = receipt.evidence?.outcome === 'unclear' ? receipt.evidence : evidenceOf('unheard', at)
  return { ...noAmount, charged: 'unknown', evidence }
}

/** Whether one of the rows is, or may turn out to be, what one of these calls was billed. */
export function mayTellAmounts(receipts: readonly queries.EndedReceipt[], rows: readonly Usage[]): boolean {
  return receipts.some(receipt =>
    rows.some(row => isOwn(row, receipt) || (receipt.requestId === null && mayBe(row, receipt))),
  )
}

export function billOf({ billedBy, tier, count, rate }: Usage): Bill {
  return { by: billedBy, tier, count, rate }
}

/** Where each of the rows says the same, whichever it is: of as many pictures as came, if there are such. */
function sameBills(rows: Usage[], { delivered }: queries.Receipt): Usage[] {
  const asMany = rows.filter(({ count }) => delivered && count === delivered.length)
  const its = asMany.length > 0 ? asMany : rows
  const [first] = its
  return its.every(row => row.actualCost === first!.actualCost && isDeepStrictEqual(billOf(row), billOf(first!)))
    ? its
    : []
}

const noAmount: Verdict = { charged: 'yes', amount: null, usageId: null, bill: null, evidence: null }

function billed(receipt: queries.Receipt, row: Usage, isTaken: boolean, at: Date): Verdict {
  const isSure = receipt.charged === 'yes'
  const isFree = row.actualCost === 0 && !isSure
  return {
    charged: isFree ? 'no' : 'yes',
    amount: row.actualCost,
    usageId: isTaken ? null : row.id,
    bill: billOf(row),
    evidence: isSure ? null : { ...evidenceOf(isFree ? 'not_charged' : 'charged', at), usageId: row.id },
  }
}

function open(outcome: 'too_early' | 'unclear', rows: readonly Usage[], at: Date): Verdict {
  const candidates = rows.map(row => ({
    usageId: row.id,
    at: row.createdAt,
    model: row.model,
    cost: row.actualCost,
    bill: billOf(row),
  }))
  const evidence = { ...evidenceOf(outcome, at), candidates }
  return { charged: 'unknown', amount: null, usageId: null, bill: null, evidence }
}

function evidenceOf(outcome: Evidence['outcome'], at: Date): Evidence {
  return { outcome, at, until: null, usageId: null, candidates: [] }
}

function isOwn(row: Usage, receipt: queries.Receipt): boolean {
  return receipt.requestId !== null && row.requestId === receipt.requestId
}

/**
 * Billed to the same key, for such a model, at a time when the gateway may have been at it. Its accounts may map a model
 * to another and bill it under that name: pictures are told from words, no more.
 */
function mayBe(row: Usage, receipt: queries.EndedReceipt): boolean {
  // The request id of another call: the gateway names each row by its own.
  if (receipt.requestId !== null && row.requestId !== '') return false
  if (row.keyId !== null && row.keyId !== receipt.keyId) return false
  if (row.model !== '' && isPictures(row.model) !== isPictures(receipt.model)) return false
  const at = row.createdAt?.getTime()
  return (
    at === undefined || (at > receipt.calledAt.getTime() - CLOCKS_MS && at < receipt.worksUntil.getTime() + CLOCKS_MS)
  )
}

function isSameModel(billed: string, asked: string): boolean {
  return billed === '' || billed === asked || (isPictures(billed) && isPictures(asked))
}

function isPictures(model: string): boolean {
  return model.startsWith('gpt-image-')
}
