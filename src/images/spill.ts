import { z } from 'zod'
import { clock } from '../db/clock.ts'
import type { Deps } from '../deps.ts'
import { Told } from '../gateway/told.ts'
import { listPositions } from '../library/queries.ts'
import { beforeLeaving, isOutage } from '../work/persist.ts'
import { createRefiler } from '../work/refiler.ts'
import type { ClaimedJob, Ending } from './claim-queries.ts'
import type { Progress } from './failures.ts'
import { fileMade, type Made } from './file-made.ts'
import { finish } from './finish.ts'
import { filePreview, PREVIEW } from './remains.ts'
import * as queries from './spill-queries.ts'
import { recover } from './sweep.ts'

/** How a job ended whose end could not be written, or whose pictures wait. */
const Note = z.object({
  claim: z.string(),
  /** Pictures that are safe, here or in the library. */
  kept: z.number(),
  ending: z.custom<Omit<Ending, 'retryAt'>>(value => typeof value === 'object' && value !== null),
  retryAt: z.coerce.date().nullable(),
  /** What was said of each picture, by its position. */
  told: z.array(Told.nullable()).default([]),
})

/** Leaves the end of a job to `bringHome`. */
export async function leaveInSpill(
  deps: Deps,
  job: ClaimedJob,
  { kept, told }: Pick<Progress, 'kept' | 'told'>,
  ending: Ending,
): Promise<void> {
  const { retryAt = null, ...rest } = ending
  await deps.spill.putNote(job.id, JSON.stringify({ claim: job.claim, kept, ending: rest, retryAt, told }))
  await beforeLeaving(deps, markMade(deps, job)).catch(error =>
    deps.log.warn({ err: error, job: job.id }, 'the end of a job waits in the spill'),
  )
}

async function markMade(deps: Deps, job: ClaimedJob): Promise<void> {
  await queries.markMade(deps.db, job, await deps.spill.owner(), deps.config.worker.leaseSeconds)
  await deps.at?.('made', job.id)
}

/** Files what waits of jobs in the spill of this machine, and ends them; call it again and again. */
export function createJobRefiler(deps: Deps): (claimsHere: readonly string[]) => Promise<void> {
  return createRefiler(deps, 'job', (works, claimsHere) => bringHome(deps, works, claimsHere))
}

async function bringHome(deps: Deps, works: readonly string[], claimsHere: readonly string[]): Promise<void> {
  const owner = await deps.spill.owner()
  // All are told of before any is filed: a store that is still away ends the round at the first.
  for (const work of works) {
    const job = await queries.findJobOfSpill(deps.db, work)
    if (job?.state !== 'running' || !isClaimed(job)) continue
    if ((await deps.spill.listOf(work)).length === 0) continue
    await queries.bindToSpill(deps.db, job, owner)
    await deps.at?.('bound', job.id)
    if (await isOver(deps, job, claimsHere)) await markMade(deps, job)
  }
  for (const work of works) {
    if (deps.leaving.aborted) return
    try {
      await bringHomeOne(deps, work, claimsHere)
    } catch (error) {
      if (isOutage(error)) throw error
      // One that fails by itself keeps no other waiting.
      deps.log.error({ err: error, job: work }, 'the spill of a job could not be filed')
    }
  }
}

async function bringHomeOne(deps: Deps, work: string, claimsHere: readonly string[]): Promise<void> {
  const job = await queries.findJobOfSpill(deps.db, work)
  // Its person is gone, and the row with them.
  if (!job || !isClaimed(job)) return deps.spill.removeWork(work)
  if (!(await isOver(deps, job, claimsHere))) return
  let brought = 0
  const spoilt: string[] = []
  const note = await noteOf(deps, job)
  for (const spilled of await deps.spill.listOf(work)) {
    const bytes = await deps.spill.read(spilled)
    const made =
      bytes &&
      (await beforeLeaving(deps, fileSpilled(deps, job, spilled.position, bytes, note?.told[spilled.position])))
    if (made?.condition === 'undecodable') spoilt.push(made.detail)
    else if (made) brought++
  }
  if (!note) await recover(deps, job, brought)
  else await finish(deps, job, await endingOf(deps, job, note, spoilt))
  // Not before: a job with nothing in the spill is for any worker to end.
  await deps.spill.removeWork(work)
  deps.log.info({ job: work, pictures: brought }, 'the spill of a job was filed')
}

/** What came of a picture; null for a preview, which is none. */
async function fileSpilled(
  deps: Deps,
  job: ClaimedJob,
  position: number,
  bytes: Buffer,
  told: Told | null | undefined,
): Promise<Made | null> {
  if (position !== PREVIEW) return fileMade(deps, job, position, bytes, told ?? {})
  await filePreview(deps, job, bytes)
  return null
}

/** As it was, unless something happened to the files meanwhile, or some cannot be shown: `spoilt` says why. */
async function endingOf(
  deps: Deps,
  job: ClaimedJob,
  { kept, ending, retryAt }: z.output<typeof Note>,
  spoilt: readonly string[],
): Promise<Ending> {
  const filed = (await listPositions(deps.db, job.userId, job.id)).length
  if (filed >= kept) return { ...ending, retryAt }
  const short: Ending = { ...ending, state: filed > 0 ? 'done' : 'failed', charged: 'yes' }
  const damaged = kept - filed - spoilt.length
  if (damaged <= 0) return { ...short, reason: 'bad_image', detail: spoilt[0] }
  return { ...short, reason: 'storage', detail: `${damaged} of ${kept} files were damaged on the disk of the worker` }
}

/** Its run has ended, or nobody has heard of the process that ran it. */
async function isOver(deps: Deps, job: ClaimedJob, claimsHere: readonly string[]): Promise<boolean> {
  if (claimsHere.includes(job.claim)) return false
  if (job.state !== 'running' || job.madeAt || (await noteOf(deps, job))) return true
  return job.leaseUntil !== null && job.leaseUntil < (await clock(deps.db))
}

async function noteOf(deps: Deps, job: ClaimedJob): Promise<z.output<typeof Note> | null> {
  const text = await deps.spill.readNote(job.id)
  const note = text ? Note.parse(JSON.parse(text)) : null
  return note?.claim === job.claim ? note : null
}

function isClaimed(job: { claim: string | null }): job is ClaimedJob {
  return job.claim !== null
}

/** What was bound to this spill just before its process died, or whose files an operator deleted, is left to the sweep. */
export async function unbindUnspilled(deps: Deps, claimsHere: readonly string[]): Promise<void> {
  for (const job of await queries.listBoundAndSilent(deps.db, await deps.spill.owner())) {
    if (claimsHere.includes(job.claim) || (await deps.spill.listOf(job.id)).length > 0) continue
    await queries.unbindFromSpill(deps.db, job)
  }
}
