import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { Queues } from '../jobs.ts'
import { SignedOut, withAccessToken } from '../session/tokens.ts'
import * as queries from './queries.ts'

const ATTEMPTS = 6
const USAGE_ROWS = 200

/**
 * Looks for the usage rows that the gateway writes some seconds after a call: the cost, and the proof of a charge. One
 * look serves all finished jobs of a key, since the gateway allows 60 a minute; what is not there yet is looked for
 * again after 1, 2, 4 … seconds. Then the balance is asked for.
 */
export async function lookUpCosts(deps: Deps, wanted: readonly Queues['image-cost'][]): Promise<void> {
  const jobs = await queries.listJobsForCost(
    deps.db,
    wanted.map(({ jobId }) => jobId),
  )
  const byKey = Map.groupBy(jobs, job => `${job.signInId} ${job.keyId}`)
  const found = new Set<string>()
  for (const group of byKey.values()) {
    try {
      for (const id of await lookUp(deps, group)) found.add(id)
    } catch (error) {
      if (error instanceof SignedOut) return
      if (!(error instanceof GatewayError || error instanceof PanelError)) throw error
      deps.log.info({ err: error }, 'the gateway did not tell what a picture cost')
    }
  }
  for (const { jobId, attempt } of wanted) {
    const job = jobs.find(candidate => candidate.id === jobId)
    if (!job || found.has(jobId) || attempt >= ATTEMPTS) continue
    const next = { jobId, attempt: attempt + 1 }
    await deps.jobs.send(deps.db, 'image-cost', next, { startAfterSeconds: 2 ** (attempt - 1) })
  }
}

/** Ids of the jobs whose row was there. All of one person and one key. */
async function lookUp(deps: Deps, jobs: readonly queries.ImageJob[]): Promise<string[]> {
  const { signInId, keyId, userId } = jobs[0]!
  if (!signInId) return []
  const rows = await withAccessToken(deps, signInId, (token, caller) =>
    deps.gateway.listUsage(caller, token, { apiKeyId: keyId, limit: USAGE_ROWS }),
  )
  const costs = new Map(rows.map(row => [row.requestId, row.actualCost]))
  const found: string[] = []
  for (const job of jobs) {
    const cost = costs.get(`client:${job.requestId}`)
    if (cost === undefined) continue
    await queries.setCost(deps.db, job.id, cost)
    found.push(job.id)
  }
  if (found.length > 0) await refreshBalance(deps, userId, signInId)
  return found
}
