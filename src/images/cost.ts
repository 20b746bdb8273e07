import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { Queues } from '../jobs.ts'
import { SignedOut, withSomeAccessToken } from '../session/tokens.ts'
import { semaphore } from '../storage/semaphore.ts'
import * as queries from './queries.ts'

const LONGEST_WAIT_SECONDS = 60
const USAGE_ROWS = 200
const ASKED_AT_ONCE = 10
/** With a gateway that hangs one look takes a minute and a half, and all have to end before the queue repeats them. */
const BEGUN_WITHIN_MS = 60_000

type CostDeps = Pick<Deps, 'db' | 'gateway' | 'jobs' | 'sealer' | 'log'>

/**
 * Looks for the usage rows that the gateway writes some seconds after a call: the cost, and the proof of a charge. One
 * look serves all finished jobs of a key, since the gateway allows 60 a minute; what is not there yet is looked for
 * again after 1, 2, 4 … 60 seconds, until the job's `costUntil`.
 */
export async function lookUpCosts(deps: CostDeps, wanted: readonly Queues['image-cost'][]): Promise<void> {
  const jobs = await queries.listJobsForCost(
    deps.db,
    wanted.map(({ jobId }) => jobId),
  )
  const found = new Set<string>()
  const asking = semaphore(ASKED_AT_ONCE)
  const late = performance.now() + BEGUN_WITHIN_MS
  const groups = Map.groupBy(jobs, job => `${job.userId} ${job.keyId}`).values()
  await Promise.all(
    groups.map(group =>
      asking(async () => {
        // Else it is looked for again, like what is not there yet.
        if (performance.now() < late) for (const id of await tryLookUp(deps, group)) found.add(id)
      }),
    ),
  )
  await deps.db.transaction(async tx => {
    for (const { jobId, attempt } of wanted) {
      const job = jobs.find(candidate => candidate.id === jobId)
      if (!job?.costUntil || found.has(jobId)) continue
      const wait = Math.min(2 ** (attempt - 1), LONGEST_WAIT_SECONDS)
      if (Date.now() + wait * 1000 > job.costUntil.getTime()) continue
      await deps.jobs.send(tx, 'image-cost', { jobId, attempt: attempt + 1 }, { startAfterSeconds: wait })
    }
  })
}

/** Ids of the jobs that need no other look. */
async function tryLookUp(deps: CostDeps, jobs: readonly queries.ImageJob[]): Promise<string[]> {
  try {
    return await lookUp(deps, jobs)
  } catch (error) {
    // Nobody is left to ask as.
    if (error instanceof SignedOut) return jobs.map(({ id }) => id)
    const level = error instanceof GatewayError || error instanceof PanelError ? 'info' : 'error'
    deps.log[level]({ err: error }, 'what a picture cost could not be looked up')
    return []
  }
}

/** Ids of the jobs whose row was there. All of one person and one key. */
async function lookUp(deps: CostDeps, jobs: readonly queries.ImageJob[]): Promise<string[]> {
  const { keyId, userId } = jobs[0]!
  // Behind an SSH key there is no browser, and another may be signed out by now: any of this person will do.
  const { rows, signInId } = await withSomeAccessToken(deps, jobs[0]!, async (token, caller, askedAs) => {
    const usage = await deps.gateway.listUsage(caller, token, { apiKeyId: keyId, limit: USAGE_ROWS })
    return { rows: usage.rows, signInId: askedAs }
  })
  const costs = new Map(rows.map(row => [row.requestId, row.actualCost]))
  const billed = jobs.filter(job => costs.has(`client:${job.requestId}`))
  // The balance first: the page that sees the cost asks no more.
  if (billed.length > 0) await tryRefreshBalance(deps, userId, signInId)
  for (const job of billed) await queries.setCost(deps.db, job.id, costs.get(`client:${job.requestId}`)!)
  return billed.map(({ id }) => id)
}

async function tryRefreshBalance(deps: CostDeps, userId: number, signInId: string): Promise<void> {
  try {
    await refreshBalance(deps, userId, signInId)
  } catch (error) {
    if (!(error instanceof GatewayError || error instanceof PanelError || error instanceof SignedOut)) throw error
    deps.log.info({ err: error }, 'the balance could not be read after a picture')
  }
}
