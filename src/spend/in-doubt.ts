import type { Deps } from '../deps.ts'
import { inTurn } from '../web/turns.ts'
import type { Evidence } from './evidence.ts'
import * as queries from './queries.ts'
import type { CallKind } from './receipt.ts'
import { type SettleDeps, settle } from './settle.ts'
import { isTaken, listUnexplained, lookAgainAtUnclear, recordVerdict, settlingLock } from './settle-queries.ts'

/** The person asks whether a call was charged; nothing when that is known. Throws as `settle` does. */
export async function lookAtOnce(
  deps: SettleDeps,
  { kind, tell }: CallKind,
  userId: number,
  subject: string,
): Promise<void> {
  const receipt = await queries.findInDoubt(deps.db, userId, kind, subject)
  if (receipt) await settle(deps, [receipt], tell, { asked: true })
}

/**
 * Ends what the rows alone do not: the person says which row it was, or null for none. False when there is nothing to
 * decide any more, or that row is not one of those that were shown.
 */
export async function decide(
  deps: Pick<Deps, 'db'>,
  { kind, tell }: CallKind,
  userId: number,
  subject: string,
  usageId: number | null,
): Promise<boolean> {
  const receipt = await queries.findInDoubt(deps.db, userId, kind, subject)
  if (!receipt) return false
  return inTurn(deps.db, settlingLock, receipt, async tx => {
    const [open] = await listUnexplained(tx, [receipt])
    if (open?.evidence?.outcome !== 'unclear') return false
    const row = open.evidence.candidates.find(candidate => candidate.usageId === usageId) ?? null
    if (usageId !== null && !row) return false
    if (row && (await isTaken(tx, userId, row.usageId))) return false
    const evidence: Evidence = { outcome: 'decided', at: new Date(), until: null, usageId, candidates: [] }
    const charged = row ? 'yes' : 'no'
    const verdict = { charged, amount: row?.cost ?? null, usageId, bill: row?.bill ?? null, evidence } as const
    await recordVerdict(tx, open, verdict, null)
    await tell(tx, open, verdict)
    await lookAgainAtUnclear(tx, userId)
    return true
  })
}
