import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../deps.ts'
import { linkOf } from '../gateway/client.ts'
import type { Stop } from '../work/worker.ts'
import type { ClaimedJob } from './claim-queries.ts'
import { deleteUnfetched } from './claim-queries.ts'
import { fileMade } from './file-made.ts'
import type { ImageJob, Unfetched } from './job-queries.ts'

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 15_000
const ONE_TRY_MS = 10_000

/**
 * Tries again for pictures that were made and cannot be fetched from their addresses, for as long as anything paid is held
 * on to. What came is given to `keep`; answers those that did not come, or `left` where a stop leaves them to whoever
 * clears up.
 */
export async function fetchUnfetched(
  deps: Deps,
  unfetched: readonly Unfetched[],
  signal: AbortSignal,
  keep: (bytes: Buffer, position: number) => Promise<void>,
): Promise<Unfetched[] | 'left'> {
  const giveUp = performance.now() + deps.config.worker.persistSeconds * 1000
  let missing = [...unfetched]
  for (let wait = FIRST_WAIT_MS; missing.length > 0; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    if (signal.aborted) return signal.reason === ('shutdown' satisfies Stop) ? 'left' : missing
    if (performance.now() + wait > giveUp) return missing
    await delay(wait, undefined, { signal }).catch(() => undefined)
    const left: Unfetched[] = []
    for (const each of missing) {
      const bytes = await fetchOnce(deps, each, signal)
      if (bytes) await keep(bytes, each.position)
      else left.push(each)
    }
    missing = left
  }
  return missing
}

/** Of a job whose worker died: each is tried for once. Answers how many are still missing. */
export async function recoverUnfetched(deps: Deps, job: ClaimedJob): Promise<number> {
  let missing = 0
  for (const each of job.unfetched) {
    const bytes = await fetchOnce(deps, each, deps.leaving)
    if (bytes) {
      await fileMade(deps, job, each.position, bytes, each.told)
      await deleteUnfetched(deps.db, job, each.position)
    } else missing++
  }
  return missing
}

async function fetchOnce(deps: Deps, { position, address }: Unfetched, signal: AbortSignal): Promise<Buffer | null> {
  try {
    return await deps.gateway.fetchPicture(address, AbortSignal.any([signal, AbortSignal.timeout(ONE_TRY_MS)]))
  } catch {
    // Why is in the details of the job; the address may hold a signature.
    deps.log.warn({ position }, 'a picture could still not be fetched from its address')
    return null
  }
}

/** Addresses that the owner of an ended job may try, where a link to them does no harm. */
export function linksOf(job: ImageJob): { url: string; host: string }[] {
  if (!job.finishedAt) return []
  return job.unfetched.flatMap(({ address }) => linkOf(address) ?? [])
}
