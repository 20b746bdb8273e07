import { refreshBalance } from '../account/balance.ts'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { Usage } from '../gateway/schemas.ts'
import { countPanelCalls } from '../session/panel-queries.ts'
import { SignedOut, withSomeAccessToken } from '../session/tokens.ts'
import { inTurn } from '../web/turns.ts'
import type { Evidence, Verdict } from './evidence.ts'
import * as queries from './queries.ts'
import { readUsage, type UsageList } from './usage.ts'

/** Puts what was found out where the room of the call shows it, in the transaction that keeps it. */
export type Tell = (tx: Db, receipt: queries.Receipt, verdict: Verdict) => Promise<void>

type SettleDeps = Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log'>

// The gateway's clock is not ours.
const CLOCKS_MS = 2 * 60_000
const MOST_SECONDS_BETWEEN_LOOKS = 60
const MOST_SECONDS_UNHEARD = 3600
const GIVE_UP_DAYS = 30

/**
 * Looks once at the usage rows for calls of one person, and settles those that they explain: charged with the amount;
 * not charged, when the gateway can no longer be working on it and has no row; or left to the person, with the rows that
 * may be it. A look that fails says nothing about any call. `asked`: by the person, who is told when they are signed out:
 * throws `SignedOut` only then, and `Refusal` as `inTurn` does. A row explains one call.
 */
export async function settle(
  deps: SettleDeps,
  receipts: readonly queries.Receipt[],
  tell: Tell,
  { asked }: { asked: boolean },
): Promise<void> {
  const [first] = receipts
  if (!first) return
  const since = new Date(Math.min(...receipts.map(({ calledAt }) => calledAt.getTime())) - CLOCKS_MS)
  if (asked) await countPanelCalls(deps.db, first.userId, 2, 1)
  let usage: UsageList | null = null
  try {
    usage = await withSomeAccessToken(
      deps,
      first,
      async (token, caller, signInId) => {
        const list = await readUsage(deps, caller, token, since)
        // Before the costs are told: a page that has seen them asks no more.
        const ids = new Set(list.rows.map(({ requestId }) => requestId))
        if (receipts.some(({ requestId }) => requestId !== null && ids.has(requestId)))
          await tryBalance(deps, first.userId, signInId)
        return list
      },
      0,
    )
  } catch (error) {
    if (error instanceof SignedOut && asked) throw error
    if (!(error instanceof GatewayError || error instanceof PanelError || error instanceof SignedOut)) throw error
    deps.log.info({ err: error, user: first.userId }, 'the gateway did not tell what was billed')
  }
  await inTurn(deps.db, queries.settlingLock, first, async tx => {
    for (const receipt of await queries.listOpen(tx, receipts)) {
      const verdict = usage ? await verdictOn(tx, receipt, usage) : unheard(receipt)
      const lookAt = nextLook(receipt, verdict, usage !== null)
      await queries.recordVerdict(tx, receipt, verdict, lookAt)
      if (!receipt.certain || verdict.cost !== null) await tell(tx, receipt, withUntil(verdict, receipt, lookAt))
      if (verdict.usageId !== null) await queries.lookAgainAtUnclear(tx, receipt.userId)
    }
  })
}

/**
 * Ends what the rows alone do not: the person says which row it was, or null for none. False when there is nothing to
 * decide any more, or that row is not one of those that were shown.
 */
export async function decide(
  deps: Pick<Deps, 'db'>,
  receipt: queries.Receipt,
  usageId: number | null,
  tell: Tell,
): Promise<boolean> {
  return inTurn(deps.db, queries.settlingLock, receipt, async tx => {
    const [open] = await queries.listOpen(tx, [receipt])
    if (open?.evidence?.outcome !== 'unclear') return false
    const row = open.evidence.candidates.find(candidate => candidate.usageId === usageId) ?? null
    if (usageId !== null && !row) return false
    if (row && (await queries.isTaken(tx, receipt.userId, row.usageId))) return false
    const evidence: Evidence = { outcome: 'decided', at: new Date(), until: null, usageId, candidates: [] }
    const verdict: Verdict = {
      charged: row ? 'yes' : 'no',
      cost: row?.cost ?? null,
      usageId,
      billingMode: null,
      evidence,
    }
    await queries.recordVerdict(tx, open, verdict, null)
    await tell(tx, open, verdict)
    await queries.lookAgainAtUnclear(tx, receipt.userId)
    return true
  })
}

async function verdictOn(tx: Db, receipt: queries.Receipt, { rows, since }: UsageList): Promise<Verdict> {
  const own = rows.find(row => receipt.requestId !== null && row.requestId === receipt.requestId)
  if (own) return billed(receipt, own, await queries.isTaken(tx, receipt.userId, own.id))
  const near = rows.filter(row => mayBe(row, receipt))
  const explained = await queries.listExplained(tx, receipt.userId, near)
  const strange = near.filter(row => !explained.has(row.id))
  const [only, ...more] = strange.filter(row => isSameModel(row.model, receipt.model))
  // Of a call that was answered, and without an id: what else can the one row be. Of one that may not have been billed at
  // all it proves nothing, even alone: the key may pay for other programs of the person too. That is theirs to say.
  const isAlone = more.length === 0 && receipt.requestId === null && (await queries.countRivals(tx, receipt)) === 0
  if (receipt.certain) return only && isAlone ? billed(receipt, only, false) : noAmount
  const isOver = receipt.worksUntil.getTime() <= Date.now()
  if (!isOver) return open('too_early', [])
  const isWhole = since.getTime() < receipt.calledAt.getTime() - CLOCKS_MS
  if (isWhole && strange.length === 0)
    return { charged: 'no', cost: null, usageId: null, billingMode: null, evidence: evidenceOf('not_charged') }
  return open('unclear', strange)
}

const noAmount: Verdict = { charged: 'yes', cost: null, usageId: null, billingMode: null, evidence: null }

function billed(receipt: queries.Receipt, row: Usage, isTaken: boolean): Verdict {
  const isFree = row.actualCost === 0 && !receipt.certain
  return {
    charged: isFree ? 'no' : 'yes',
    cost: row.actualCost,
    usageId: isTaken ? null : row.id,
    billingMode: row.billingMode,
    evidence: receipt.certain ? null : { ...evidenceOf(isFree ? 'not_charged' : 'charged'), usageId: row.id },
  }
}

function open(outcome: 'too_early' | 'unclear', rows: readonly Usage[]): Verdict {
  const candidates = rows.map(row => ({ usageId: row.id, at: row.createdAt, model: row.model, cost: row.actualCost }))
  return {
    charged: 'unknown',
    cost: null,
    usageId: null,
    billingMode: null,
    evidence: { ...evidenceOf(outcome), candidates },
  }
}

function unheard(receipt: queries.Receipt): Verdict {
  return receipt.certain ? noAmount : { ...noAmount, charged: 'unknown', evidence: evidenceOf('unheard') }
}

function evidenceOf(outcome: Evidence['outcome']): Evidence {
  return { outcome, at: new Date(), until: null, usageId: null, candidates: [] }
}

function withUntil(verdict: Verdict, receipt: queries.Receipt, lookAt: Date | null): Verdict {
  if (verdict.charged !== 'unknown' || !verdict.evidence || !lookAt) return verdict
  const until = receipt.worksUntil > lookAt ? receipt.worksUntil : lookAt
  return { ...verdict, evidence: { ...verdict.evidence, until } }
}

/**
 * Billed to the same key, for such a model, at a time when the gateway may have been at it. Its accounts may map a model
 * to another and bill it under that name: pictures are told from words, no more.
 */
function mayBe(row: Usage, receipt: queries.Receipt): boolean {
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

/**
 * After 1, 2, 4 … 60 seconds, and once when the gateway can no longer be working on it; where it could not be asked, for
 * as long as it keeps its rows.
 */
function nextLook(receipt: queries.Receipt, verdict: Verdict, isHeard: boolean): Date | null {
  if (verdict.usageId !== null || verdict.charged === 'no' || verdict.cost !== null) return null
  const now = Date.now()
  const end = receipt.worksUntil.getTime()
  const backOff = 1000 * 2 ** Math.min(receipt.looks, 12)
  if (!isHeard && now > end) {
    const isHopeless = now - end > GIVE_UP_DAYS * 86_400_000
    return isHopeless ? null : new Date(now + Math.min(backOff, MOST_SECONDS_UNHEARD * 1000))
  }
  if (now >= end) return null
  return new Date(Math.min(now + Math.min(backOff, MOST_SECONDS_BETWEEN_LOOKS * 1000), Math.max(end, now + 1000)))
}

async function tryBalance(deps: SettleDeps, userId: number, signInId: string): Promise<void> {
  try {
    await refreshBalance(deps, userId, signInId, 0)
  } catch (error) {
    if (!(error instanceof GatewayError || error instanceof PanelError || error instanceof SignedOut)) throw error
    deps.log.info({ err: error }, 'the balance could not be read after a bill')
  }
}
