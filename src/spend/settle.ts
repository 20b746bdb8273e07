import { refreshBalance } from '../account/balance.ts'
import { clock } from '../db/clock.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import { countPanelCalls } from '../session/panel-queries.ts'
import { SignedOut, withSomeAccessToken } from '../session/tokens.ts'
import { inTurn } from '../web/turns.ts'
import { listReceiptsAsCalled } from './copy-queries.ts'
import type { Verdict } from './evidence.ts'
import { learnHonours } from './honours.ts'
import { observePaid } from './observe.ts'
import type * as queries from './queries.ts'
import type { Tell } from './receipt.ts'
import { listUnexplained, lookAgainAtUnclear, recordVerdict, settlingLock } from './settle-queries.ts'
import { readUsage, type UsageList } from './usage.ts'
import { CLOCKS_MS, mayTellAmounts, unheard, verdictOn } from './verdict.ts'

export type SettleDeps = Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log' | 'metrics'>

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
  receipts: readonly queries.EndedReceipt[],
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
        const list = await readUsage(deps, first.userId, caller, token, since)
        // Before the costs are told: a page that has seen them asks no more.
        if (mayTellAmounts(receipts, list.rows)) await tryBalance(deps, first.userId, signInId)
        return list
      },
      0,
    )
  } catch (error) {
    if (error instanceof SignedOut && asked) throw error
    if (!(error instanceof GatewayError || error instanceof PanelError || error instanceof SignedOut)) throw error
    deps.log.info({ err: error, user: first.userId }, 'the gateway did not tell what was billed')
  }
  const paid = await inTurn(deps.db, settlingLock, first, async tx => {
    const billed: string[] = []
    const now = await clock(tx)
    for (const receipt of await listUnexplained(tx, receipts)) {
      const verdict = usage ? await verdictOn(tx, receipt, usage) : unheard(receipt, now)
      const lookAt = nextLook(receipt, verdict, usage?.askedAt ?? null, now)
      await recordVerdict(tx, receipt, verdict, lookAt)
      if (verdict.charged === 'yes' && verdict.amount !== null && receipt.amount === null) billed.push(receipt.id)
      const isNews = receipt.charged !== 'yes' || verdict.amount !== null
      if (isNews) await tell(tx, receipt, withUntil(verdict, receipt, lookAt))
      if (verdict.usageId !== null) await lookAgainAtUnclear(tx, receipt.userId)
    }
    const copies = billed.length > 0 ? await listReceiptsAsCalled(tx, first.userId, billed) : []
    await learnHonours(tx, first.userId, copies)
    return copies
  })
  observePaid(deps.metrics, paid)
}

function withUntil(verdict: Verdict, receipt: queries.EndedReceipt, lookAt: Date | null): Verdict {
  if (verdict.charged !== 'unknown' || !verdict.evidence || !lookAt) return verdict
  const until = receipt.worksUntil > lookAt ? receipt.worksUntil : lookAt
  return { ...verdict, evidence: { ...verdict.evidence, until } }
}

/**
 * After 1, 2, 4 … 60 seconds, and once when the gateway can no longer be working on it; where it could not be asked then,
 * after as long again as it has said nothing, for as long as it keeps its rows.
 */
function nextLook(receipt: queries.EndedReceipt, verdict: Verdict, heardAt: Date | null, at: Date): Date | null {
  if (verdict.usageId !== null || verdict.charged === 'no' || verdict.amount !== null) return null
  const now = at.getTime()
  const end = receipt.worksUntil.getTime()
  if (!heardAt && now > end) {
    const heard = verdict.evidence?.outcome === 'unclear' ? verdict.evidence.at.getTime() : end
    const silentFor = Math.max(1000, now - Math.max(heard, end))
    const isHopeless = silentFor > GIVE_UP_DAYS * 86_400_000
    return isHopeless ? null : new Date(now + Math.min(silentFor, MOST_SECONDS_UNHEARD * 1000))
  }
  if (heardAt && heardAt.getTime() >= end) return null
  const backOff = 1000 * 2 ** Math.min(receipt.looks, 12)
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
