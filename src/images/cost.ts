import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { Queues } from '../jobs.ts'
import { findLatestSignInId } from '../session/queries.ts'
import { SignedOut, withAccessToken } from '../session/tokens.ts'
import * as queries from './queries.ts'

const LONGEST_WAIT_SECONDS = 60
const USAGE_ROWS = 200

/**
 * Looks for the usage rows that the gateway writes some seconds after a call: the cost, and the proof of a charge. One
 * look serves all finished jobs of a key, since the gateway allows 60 a minute; what is not there yet is looked for
 * again after 1, 2, 4 … 60 seconds, until the job's `costUntil`.
 */
export async function lookUpCosts(deps: Deps, wanted: readonly Queues['image-cost'][]): Promise<void> {
  const jobs = await queries.listJobsForCost(
    deps.db,
    wanted.map(({ jobId }) => jobId),
  )
  const byKey = Map.groupBy(jobs, job => `${job.userId} ${job.signInId} ${job.keyId}`)
  const found = new Set<string>()
  for (const group of byKey.values()) {
    try {
      for (const id of await lookUp(deps, group)) found.add(id)
    } catch (error) {
      // Nobody is left to ask as.
      if (error instanceof SignedOut) for (const { id } of group) found.add(id)
      else if (!(error instanceof GatewayError || error instanceof PanelError)) throw error
      else deps.log.info({ err: error }, 'the gateway did not tell what a picture cost')
    }
  }
  for (const { jobId, attempt } of wanted) {
    const job = jobs.find(candidate => candidate.id === jobId)
    if (!job?.costUntil || found.has(jobId)) continue
    const wait = Math.min(2 ** (attempt - 1), LONGEST_WAIT_SECONDS)
    if (Date.now() + wait * 1000 > job.costUntil.getTime()) continue
    await deps.jobs.send(deps.db, 'image-cost', { jobId, attempt: attempt + 1 }, { startAfterSeconds: wait })
  }
}

/** Ids of the jobs whose row was there. All of one person and one key. */
async function lookUp(deps: Deps, jobs: readonly queries.ImageJob[]): Promise<string[]> {
  const { keyId, userId } = jobs[0]!
  // Behind an SSH key there is no browser: any in which this person is signed in will do.
  const signInId = jobs[0]!.signInId ?? (await findLatestSignInId(deps.db, userId))
  if (!signInId) return []
  const { rows } = await withAccessToken(deps, signInId, (token, caller) =>
    deps.gateway.listUsage(caller, token, { apiKeyId: keyId, limit: USAGE_ROWS }),
  )
  const costs = new Map(rows.map(row => [row.requestId, row.actualCost]))
  const billed = jobs.filter(job => costs.has(`client:${job.requestId}`))
  // The balance first: the page that sees the cost asks no more.
  if (billed.length > 0) await tryRefreshBalance(deps, userId, signInId)
  for (const job of billed) await queries.setCost(deps.db, job.id, costs.get(`client:${job.requestId}`)!)
  return billed.map(({ id }) => id)
}

async function tryRefreshBalance(deps: Deps, userId: number, signInId: string): Promise<void> {
  try {
    await refreshBalance(deps, userId, signInId)
  } catch (error) {
    if (!(error instanceof GatewayError || error instanceof PanelError || error instanceof SignedOut)) throw error
    deps.log.info({ err: error }, 'the balance could not be read after a picture')
  }
}
