import type { Db } from '../db/db.ts'
import type { ImageRequest } from '../images/prompt.ts'
import { money } from '../web/money.ts'
import { Problem } from './problem.ts'
import * as queries from './queries.ts'
import { useOf } from './use.ts'

const MICRO = 1_000_000

/**
 * Whether this SSH key may have one more job. Its row stays locked until the job is in the queue, so that of many calls
 * at once each sees what the others have taken. Throws `Problem`.
 */
export async function admit(
  tx: Db,
  sshKeyId: string,
  job: { request: ImageRequest; estimate: number | null },
): Promise<void> {
  const limits = await queries.lockSshKey(tx, sshKeyId)
  if (!limits) throw new Problem(401, 'token_not_valid', 'agents.token_not_valid')
  checkSettings(limits, job.request)
  const { picturesPerDay, jobsAtOnce, spendPerDay, spendTotal } = limits
  if (picturesPerDay === null && jobsAtOnce === null && spendPerDay === null && spendTotal === null) return

  const use = await useOf(tx, sshKeyId)
  if (jobsAtOnce !== null && use.unfinished >= jobsAtOnce) {
    throw new Problem(429, 'jobs_at_once', 'agents.limit.jobs_at_once', {
      params: { limit: jobsAtOnce },
      retryAfter: 5,
    })
  }
  const tomorrow = { retryAfter: secondsToMidnight() }
  if (picturesPerDay !== null && use.picturesToday + job.request.n > picturesPerDay) {
    const params = { limit: picturesPerDay, used: use.picturesToday }
    throw new Problem(429, 'pictures_per_day', 'agents.limit.pictures_per_day', { params, ...tomorrow })
  }
  if (spendPerDay === null && spendTotal === null) return
  if (job.estimate === null) throw new Problem(403, 'price_unknown', 'agents.limit.price_unknown')
  if (exceeds(use.spentToday, job.estimate, spendPerDay)) {
    const params = { limit: money(spendPerDay!), used: money(use.spentToday) }
    throw new Problem(429, 'spend_per_day', 'agents.limit.spend_per_day', { params, ...tomorrow })
  }
  if (exceeds(use.spentTotal, job.estimate, spendTotal)) {
    const params = { limit: money(spendTotal!), used: money(use.spentTotal) }
    throw new Problem(403, 'spend_total', 'agents.limit.spend_total', { params })
  }
}

/** Needs no count, so it is said before anything is uploaded. Throws `Problem` 403. */
export function checkSettings(
  limits: Pick<queries.Limits, 'sizes' | 'qualities'>,
  request: Pick<ImageRequest, 'size' | 'quality'>,
): void {
  if (limits.sizes && !limits.sizes.includes(request.size)) {
    const params = { allowed: limits.sizes.join(', ') }
    throw new Problem(403, 'size_not_allowed', 'agents.limit.size_not_allowed', { field: 'size', params })
  }
  if (limits.qualities && !limits.qualities.includes(request.quality)) {
    const params = { allowed: limits.qualities.join(', ') }
    throw new Problem(403, 'quality_not_allowed', 'agents.limit.quality_not_allowed', { field: 'quality', params })
  }
}

// In whole millionths of a dollar: sums of prices in floating point miss a cap by a hair.
function exceeds(spent: number, more: number, cap: number | null): boolean {
  return cap !== null && Math.round(spent * MICRO) + Math.round(more * MICRO) > Math.round(cap * MICRO)
}

function secondsToMidnight(): number {
  const now = new Date()
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)
  return Math.max(1, Math.ceil((midnight - now.getTime()) / 1000))
}
