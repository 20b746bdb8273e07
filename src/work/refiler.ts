import type { Deps } from '../deps.ts'
import type { SpillKind } from '../storage/spill.ts'
import { isOutage } from './persist.ts'

/**
 * Files what waits in the spill of this machine, of one kind of work; call the function again and again. `bringHome` is
 * given the works that have a folder; where store or database are still away it throws, and is asked later.
 */
export function createRefiler(
  deps: Deps,
  kind: SpillKind,
  bringHome: (works: readonly string[], claimsHere: readonly string[]) => Promise<void>,
): (claimsHere: readonly string[]) => Promise<void> {
  const longest = Math.min(15_000, (deps.config.worker.leaseSeconds * 1000) / 3)
  let wait = 0
  let next = 0
  return async claimsHere => {
    if (performance.now() < next) return
    const works = await deps.spill.list(kind)
    if (works.length === 0) return
    try {
      await bringHome(works, claimsHere)
      wait = 0
    } catch (error) {
      if (!isOutage(error)) throw error
      wait = Math.min(longest, Math.max(250, wait * 2))
      deps.log.warn({ err: error, kind, works: works.length }, 'the spill waits')
    }
    next = performance.now() + wait
  }
}
