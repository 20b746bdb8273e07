import { setTimeout as delay } from 'node:timers/promises'
import { openJobKey } from '../account/key.ts'
import { windowOpensAt } from '../account/key-windows.ts'
import { forgetKeyState, noteEmptyBalance } from '../account/queries.ts'
import { isValueRefused } from '../db/errors.ts'
import type { Deps } from '../deps.ts'
import { GatewayError } from '../gateway/errors.ts'
import type { Told } from '../gateway/told.ts'
import { newToken } from '../library/keep.ts'
import { setReturned } from '../library/queries.ts'
import { beforeLeaving, isOutage, persist } from '../work/persist.ts'
import type { Run } from '../work/worker.ts'
import { callOf, openInputs, previewsOf } from './call-of.ts'
import {
  type Again,
  addUnfetched,
  bumpVersion,
  type ClaimedJob,
  deleteUnfetched,
  type Ending,
  jobLeases,
  requeueUnsent,
  setRequestId,
} from './claim-queries.ts'
import { endUnsent } from './ended.ts'
import { awaitsBalance, awaitsKey, endingAfter, endingOf, type Progress, runAgainAt } from './failures.ts'
import { fileMade, type Made, saidOf } from './file-made.ts'
import { finish } from './finish.ts'
import type { Unfetched } from './job-queries.ts'
import { holdForKey } from './keyless.ts'
import { createPreviewer, type Previewer } from './preview.ts'
import { beginCall, callAgainLater, takeBackCall } from './receipts.ts'
import { keepRemains } from './remains.ts'
import { leaveInSpill } from './spill.ts'
import { spillPicture } from './spill-picture.ts'
import { fetchUnfetched } from './unfetched.ts'

const HOLD_MS = 1_000

/**
 * Runs one claimed job to its end: asks the gateway at most once, keeps every picture as soon as it is whole, and
 * leaves the row in a state that says what happened. Only a failure that proves that nothing was charged puts the job
 * back into the queue.
 */
export async function makePictures(deps: Deps, claimed: ClaimedJob, run: Run): Promise<void> {
  const { signal } = run
  if (!claimed.keySecret) throw new Error(`job ${claimed.id} has no key`)
  const key = openJobKey(deps, claimed.userId, claimed.id, claimed.keySecret)
  if (!key) return finish(deps, claimed, { state: 'failed', reason: 'key_invalid', charged: 'no' })
  const tokens = Array.from({ length: claimed.n }, newToken)
  const inputs = await openInputs(deps, claimed)
  if (inputs === 'gone') {
    return finish(deps, claimed, { state: 'failed', reason: 'bad_request', field: 'image', charged: 'no' })
  }
  // Shutting down, or cancelled, before anything was sent: the row may go back, or end uncharged.
  const previews = await previewsOf(deps, claimed)
  await deps.at?.('claimed', claimed.id)
  const job = run.mayCall() ? await persist(deps, () => beginCall(deps, claimed, tokens, previews)) : null
  if (!job) return giveBack(deps, claimed)
  await deps.at?.('marked', job.id)
  if (!run.mayCall()) {
    await persist(deps, () => takeBackCall(deps, job))
    return giveBack(deps, job)
  }

  deps.log.info({ job: job.id, attempt: job.attempts }, 'the gateway is asked for pictures')
  const previewer = createPreviewer(deps, job)
  const progress: Progress = {
    received: 0,
    kept: 0,
    spilled: false,
    held: [],
    rejected: null,
    leftovers: false,
    requestId: null,
    told: [],
  }
  const unfetched: (Unfetched & { detail: string })[] = []
  let half: Buffer | null = null
  let came = 0
  let ending: Ending
  try {
    const caller = { address: job.callerAddress, userAgent: job.callerUserAgent }
    const options = { signal, stream: previews > 0, partialImages: previews }
    const events = inputs
      ? deps.gateway.editImage(caller, key, { ...callOf(job), ...inputs }, options)
      : deps.gateway.generateImage(caller, key, callOf(job), options)
    for await (const event of events) {
      if (event.type === 'accepted') await noteRequestId(deps, job, event.requestId, progress)
      else if (event.type === 'partial') {
        came++
        previewer.offer(event.bytes, event.index)
      } else if (event.type === 'completed') {
        previewer.drop()
        progress.told[progress.received] = event.told
        await keep(deps, job, event.bytes, progress.received++, progress, previewer)
      } else if (event.type === 'told') await tellOf(deps, job, event.picture, event.told, progress)
      else if (event.type === 'half') half = event.bytes
      else if (event.type === 'rejected') {
        progress.received++
        progress.rejected ??= { reason: 'bad_image', detail: event.detail }
      } else if (event.address === null) {
        progress.received++
        progress.rejected ??= { reason: 'unfetched', detail: event.detail }
      } else {
        const { address, detail, told } = event
        progress.told[progress.received] = told
        const picture = { position: progress.received++, address, told }
        unfetched.push({ ...picture, detail })
        await tell(deps, job, () => addUnfetched(deps.db, job, picture))
      }
    }
    if (await fetchLater(deps, job, unfetched, progress, previewer, signal)) return
    await Promise.all(progress.held)
    ending = endingOf(progress)
  } catch (error) {
    if (await fetchLater(deps, job, unfetched, progress, previewer, signal)) return
    await Promise.all(progress.held)
    ending = endingAfter(deps, job, progress, error, signal)
    const again = await comeBack(deps, job, progress, error, signal)
    if (again) {
      await previewer.settled()
      const { requestId } = ending
      if (await persist(deps, () => callAgainLater(deps, job, again, requestId ?? null))) return
      const isCancelled = await persist(deps, () => jobLeases.listCancelled(deps.db, [job.claim]))
      if (isCancelled.length > 0) ending = { state: 'cancelled', charged: 'no' }
    }
  }
  await previewer.settled()
  await keepRemains(deps, job, progress, ending, { half, preview: previewer.last() })
  await end(deps, job, progress, { ...ending, leftovers: progress.leftovers, previews: came })
}

/** True where a stop leaves what cannot be fetched yet, and with it the job, to whoever clears up. */
async function fetchLater(
  deps: Deps,
  job: ClaimedJob,
  unfetched: readonly (Unfetched & { detail: string })[],
  progress: Progress,
  previewer: Previewer,
  signal: AbortSignal,
): Promise<boolean> {
  const missing = await fetchUnfetched(deps, unfetched, signal, async (bytes, position) => {
    await keep(deps, job, bytes, position, progress, previewer)
    await tell(deps, job, () => deleteUnfetched(deps.db, job, position))
  })
  const [first] = missing === 'left' ? unfetched : missing
  if (!first) return false
  progress.rejected ??= {
    reason: 'unfetched',
    detail: unfetched.find(each => each.position === first.position)!.detail,
  }
  return missing === 'left' && !progress.spilled && progress.held.length === 0
}

/** At once, or, where something of it waits or the database is away, when all is brought home. */
async function end(deps: Deps, job: ClaimedJob, progress: Progress, ending: Ending): Promise<void> {
  if (progress.spilled) return leaveInSpill(deps, job, progress, ending)
  try {
    await finish(deps, job, ending)
  } catch (error) {
    if (!isOutage(error)) throw error
    await leaveInSpill(deps, job, progress, ending)
  }
}

/** When to ask again, or null. A full window of the key is waited for, however long; and next time known of before. */
async function comeBack(
  deps: Deps,
  job: ClaimedJob,
  progress: Progress,
  error: unknown,
  signal: AbortSignal,
): Promise<Again | null> {
  if (awaitsBalance(job, progress, error, signal)) {
    await persist(deps, () => noteEmptyBalance(deps.db, job.userId))
    return { notBefore: new Date(), retryAt: null, waitsFor: null }
  }
  if (awaitsKey(job, progress, error, signal)) {
    await persist(deps, () => holdForKey(deps, job))
    return { notBefore: new Date(), retryAt: null, waitsFor: null, needsKey: true }
  }
  const notBefore = runAgainAt(job, progress, error, signal)
  const { window, retryAt = null } = error instanceof GatewayError ? error.facts : {}
  if (!notBefore || !window) return notBefore && { notBefore, retryAt, waitsFor: null }
  const opens = new Date(Math.max(notBefore.getTime(), (await windowOpensAt(deps, job, window)).getTime()))
  await tell(deps, job, () => forgetKeyState(deps.db, job.userId, job.keyId))
  return { notBefore: opens, retryAt: opens, waitsFor: window }
}

/** Keeps a picture that has been paid for, whatever is away; the call is read on: more may come. */
async function keep(
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
async function tellOf(deps: Deps, job: ClaimedJob, position: number, told: Told, progress: Progress): Promise<void> {
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
async function tell(deps: Deps, job: ClaimedJob, work: () => Promise<void>): Promise<void> {
  try {
    await persist(deps, work)
  } catch (error) {
    if (!isOutage(error) && !isValueRefused(error)) throw error
    deps.log.warn({ err: error, job: job.id }, 'a running job could not be told of')
  }
}

/** Nothing was sent: back into the queue, or cancelled as asked. */
async function giveBack(deps: Deps, job: ClaimedJob): Promise<void> {
  if (await persist(deps, () => requeueUnsent(deps.db, job))) return
  await persist(deps, () => endUnsent(deps, job))
}

async function noteRequestId(deps: Deps, job: ClaimedJob, requestId: string | null, progress: Progress) {
  progress.requestId = requestId
  deps.log.info({ job: job.id, gatewayRequest: requestId ?? undefined }, 'the gateway took a picture job')
  if (requestId) await tell(deps, job, () => setRequestId(deps.db, job, requestId))
}
