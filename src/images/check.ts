import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import type { Usage } from '../gateway/schemas.ts'
import { withAccessToken } from '../session/tokens.ts'
import * as queries from './queries.ts'

const USAGE_ROWS = 1000
// The gateway's clock is not ours.
const CLOCKS_MS = 2 * 60_000
// A reply that ended is billed within seconds. A call that we left, or that broke, the gateway may finish all the same.
const AFTER_AN_END_MS = 60_000
const AFTER_A_BREAK_MS = 20 * 60_000

type Verdict = Pick<queries.Evidence, 'outcome'> & { row: Usage | null }

/** Whether the usage rows could still tell more about it. */
export function mayCheck(job: queries.ImageJob): boolean {
  return job.charged === 'unknown' && (job.state === 'unknown' || job.state === 'cancelled') && job.calledAt !== null
}

/**
 * Reads the gateway's usage rows for a job whose outcome is not known, and keeps what they prove with the job: charged,
 * when there is a row of this call; not charged, when there is none although it would be there by now. Throws
 * `SignedOut`, `PanelError` and `GatewayError`.
 */
export async function checkJob(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  signInId: string,
  job: queries.ImageJob,
): Promise<void> {
  if (!mayCheck(job)) return
  const { rows, isAll } = await withAccessToken(deps, signInId, (token, caller) =>
    deps.gateway.listUsage(caller, token, { apiKeyId: job.keyId, limit: USAGE_ROWS }),
  )
  const since = rows.filter(row => isAfter(row, job))
  const others = await queries.listKnownRequests(
    deps.db,
    job.userId,
    since.map(row => row.requestId.replace(/^client:/, '')),
  )
  // The list must reach back to before the call, or the row may be further down.
  const reachesBack = isAll || since.length < rows.length
  const { outcome, row } = verdictOf(job, rows, reachesBack ? since : null, new Set(others))
  const evidence = { outcome, at: new Date(), rows: since.length, usageId: row?.id ?? null }
  const charged = ({ charged: 'yes', not_charged: 'no', too_early: 'unknown', unclear: 'unknown' } as const)[outcome]
  await queries.setEvidence(deps.db, job, evidence, { charged, cost: row?.actualCost ?? null })
  if (row) await refreshBalance(deps, job.userId, signInId)
}

function verdictOf(
  job: queries.ImageJob,
  rows: readonly Usage[],
  since: readonly Usage[] | null,
  explained: ReadonlySet<string>,
): Verdict {
  const row = rows.find(each => job.requestId !== null && each.requestId === `client:${job.requestId}`) ?? null
  if (row) return { outcome: row.actualCost === 0 ? 'not_charged' : 'charged', row }
  if (!since) return { outcome: 'unclear', row }
  const left = job.failureReason !== 'upstream'
  const settledAt = left
    ? job.calledAt!.getTime() + AFTER_A_BREAK_MS
    : (job.finishedAt ?? job.calledAt!).getTime() + AFTER_AN_END_MS
  if (Date.now() < settledAt) return { outcome: 'too_early', row }
  if (job.requestId !== null) return { outcome: 'not_charged', row }
  // Without a request id any call of this key that no other job explains may be this one.
  const strange = since.some(each => !explained.has(each.requestId.replace(/^client:/, '')))
  return { outcome: strange ? 'unclear' : 'not_charged', row }
}

function isAfter(row: Usage, job: queries.ImageJob): boolean {
  return !row.createdAt || row.createdAt.getTime() > job.calledAt!.getTime() - CLOCKS_MS
}
