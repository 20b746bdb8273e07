import { setTimeout as delay } from 'node:timers/promises'
import { isValueRefused } from '../db/errors.ts'
import type { Deps } from '../deps.ts'
import type { Told } from '../gateway/told.ts'
import { setReturned } from '../library/queries.ts'
import { beforeLeaving, isOutage, persist } from '../work/persist.ts'
import { bumpVersion, type ClaimedJob } from './claim-queries.ts'
import type { Progress } from './failures.ts'
import { fileMade, type Made, saidOf } from './file-made.ts'
import type { Previewer } from './preview.ts'
import { spillPicture } from './spill-picture.ts'

const HOLD_MS = 1_000

/** Keeps a picture that has been paid for, whatever is away; the call is read on: more may come. */
export async function keep(
  deps: Deps,
  job: ClaimedJob,
  bytes: Buffer,
  position: number,
  progress: Progress,
  previewer: Previewer,
): Promise<void> {
  try {
    count(
      deps,
      job,
      position,
      await beforeLeaving(deps, fileMade(deps, job, position, bytes, progress.told[position])),
      progress,
    )
  } catch (error) {
    if (isOutage(error)) {
      deps.log.warn({ err: error, job: job.id, position }, 'a picture could not be stored')
      await keepAside(deps, job, position, bytes, progress)
    } else reject(deps, job, position, error, progress)
    return
  }
  if (progress.kept >= job.n) return
  // Or a preview still being drawn would come back after its picture.
  await previewer.settled()
  await tell(deps, job, () => bumpVersion(deps.db, job))
}

/** On this machine's disk, or, where that takes nothing either, in memory for as long as this process may go on. */
async function keepAside(
  deps: Deps,
  job: ClaimedJob,
  position: number,
  bytes: Buffer,
  progress: Progress,
): Promise<void> {
  try {
    await spillPicture(deps, job, position, bytes)
    progress.kept++
    progress.spilled = true
  } catch (error) {
    deps.log.error({ err: error, job: job.id, position }, 'a picture could not be spilled either')
    progress.held.push(hold(deps, job, position, bytes, progress))
  }
}

async function hold(deps: Deps, job: ClaimedJob, position: number, bytes: Buffer, progress: Progress): Promise<void> {
  for (;;) {
    await delay(HOLD_MS, undefined, { signal: deps.leaving }).catch(() => undefined)
    try {
      const made = await beforeLeaving(deps, fileMade(deps, job, position, bytes, progress.told[position]))
      return count(deps, job, position, made, progress)
    } catch (error) {
      if (!isOutage(error)) return reject(deps, job, position, error, progress)
    }
    try {
      await spillPicture(deps, job, position, bytes)
      progress.kept++
      progress.spilled = true
      return
    } catch (error) {
      if (!deps.leaving.aborted) continue
      deps.log.error({ err: error, job: job.id, position }, 'a picture is lost')
      progress.rejected ??= { reason: 'storage', detail: 'neither the store nor the disk of the worker took it' }
      // The store may have taken it all the same.
      progress.leftovers = true
      return
    }
  }
}

/** Of a picture that was kept as soon as it was there, the rest of the reply told later. */
export async function tellOf(
  deps: Deps,
  job: ClaimedJob,
  position: number,
  told: Told,
  progress: Progress,
): Promise<void> {
  progress.told[position] = told
  const place = { userId: job.userId, jobId: job.id, position }
  await tell(deps, job, () => setReturned(deps.db, place, saidOf(job, told)))
}

/** What is kept and cannot be shown is no picture. */
function count(deps: Deps, job: ClaimedJob, position: number, made: Made, progress: Progress): void {
  if (made.condition !== 'undecodable') return void progress.kept++
  progress.rejected ??= { reason: 'bad_image', detail: made.detail }
  deps.log.error({ job: job.id, position, why: made.detail }, 'a picture cannot be shown')
}

function reject(deps: Deps, job: ClaimedJob, position: number, error: unknown, progress: Progress): void {
  if (!isValueRefused(error)) throw error
  progress.rejected ??= { reason: 'storage', detail: 'the database did not take it' }
  progress.leftovers = true
  deps.log.error({ err: error, job: job.id, position }, 'a picture could not be kept')
}

/** What a page would like to know now and the end of the job tells anyway: no reason to leave a call that is paid for. */
export async function tell(deps: Deps, job: ClaimedJob, work: () => Promise<void>): Promise<void> {
  try {
    await persist(deps, work)
  } catch (error) {
    if (!isOutage(error) && !isValueRefused(error)) throw error
    deps.log.warn({ err: error, job: job.id }, 'a running job could not be told of')
  }
}
