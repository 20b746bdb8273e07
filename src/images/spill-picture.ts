import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../deps.ts'
import type { ClaimedJob } from './claim-queries.ts'
import { bindToSpill } from './spill-queries.ts'

// A database that hangs is not waited for with bytes in memory: of two minutes five seconds.
const BIND_SHARE = 1 / 24

/**
 * Puts a paid picture aside on this machine because store or database are away; `bringHome` files it when they are back.
 * Throws when the spill cannot be written to. Safe to repeat.
 */
export async function spillPicture(deps: Deps, job: ClaimedJob, position: number, bytes: Buffer): Promise<void> {
  // Bound first: nobody ends the job while its bytes are here. If the database is away too, it is told when it is back.
  const bound = deps.spill
    .owner()
    .then(owner => bindToSpill(deps.db, job, owner))
    .then(() => deps.at?.('bound', job.id))
    .catch(error => deps.log.warn({ err: error, job: job.id }, 'a job could not be bound to this spill yet'))
  const patience = deps.config.worker.persistSeconds * 1000 * BIND_SHARE
  await Promise.race([bound, delay(patience, undefined, { ref: false, signal: deps.leaving }).catch(() => undefined)])
  await deps.spill.put(job.id, position, bytes)
  deps.log.warn({ job: job.id, position }, 'a picture was spilled')
}
