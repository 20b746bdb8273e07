import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { tell } from '../work/news-queries.ts'
import { type ClaimedJob, cancelUnsent } from './claim-queries.ts'
import { cancelJob, type ImageJob, setTellsEnd } from './job-queries.ts'

/** Whoever starts a job and asks for it hears `picture-ended` when it has ended, however it did. */
export async function tellWhenEnded(tx: Db, job: ImageJob): Promise<void> {
  await tellEnd(tx, await setTellsEnd(tx, job))
}

/** In the transaction that ends the job. */
export async function tellEnd(tx: Db, { id, userId, state, tellsEnd }: ImageJob): Promise<void> {
  if (tellsEnd && state !== 'queued' && state !== 'running') await tell(tx, 'picture-ended', { userId, subject: id })
}

/** A queued job ends at once; the worker of a running one is told, and ends it. Null when it has ended, or all is made. */
export function cancel(deps: Pick<Deps, 'db'>, { id, userId }: ImageJob): Promise<ImageJob | null> {
  return deps.db.transaction(async tx => {
    const job = await cancelJob(tx, userId, id)
    if (job) await tellEnd(tx, job)
    return job
  })
}

/** Ends what was cancelled or withdrawn before anything was sent. */
export async function endUnsent(deps: Pick<Deps, 'db'>, claimed: ClaimedJob): Promise<void> {
  await deps.db.transaction(async tx => {
    const job = await cancelUnsent(tx, claimed)
    if (job) await tellEnd(tx, job)
  })
}
