import { openJobKey } from '../account/key.ts'
import { windowOpensAt } from '../account/key-windows.ts'
import { forgetKeyState, noteEmptyBalance } from '../account/queries.ts'
import type { Deps } from '../deps.ts'
import { GatewayError } from '../gateway/errors.ts'
import { newToken } from '../library/keep.ts'
import { isOutage, persist } from '../work/persist.ts'
import type { Run } from '../work/worker.ts'
import { callOf, openInputs, previewsOf } from './call-of.ts'
import {
  type Again,
  addUnfetched,
  type ClaimedJob,
  deleteUnfetched,
  type Ending,
  jobLeases,
  requeueUnsent,
  setRequestId,
} from './claim-queries.ts'
import { endUnsent } from './ended.ts'
import {
  awaitsBalance,
  awaitsKey,
  endingAfter,
  endingOf,
  isCrowded,
  type Progress,
  runAgainAt,
  slowedUntil,
} from './failures.ts'
import { finish } from './finish.ts'
import type { Unfetched } from './job-queries.ts'
import { keep, tell, tellOf } from './keep-arrived.ts'
import { holdForKey } from './keyless.ts'
import { createPreviewer, type Previewer } from './preview.ts'
import { beginCall, callAgainLater, takeBackCall } from './receipts.ts'
import { keepRemains } from './remains.ts'
import { leaveInSpill } from './spill.ts'
import { fetchUnfetched } from './unfetched.ts'

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
  if (!notBefore) return null
  const window = error instanceof GatewayError ? error.facts.window : null
  if (!window) {
    return { notBefore, retryAt: slowedUntil(error, notBefore), waitsFor: null, isCrowded: isCrowded(error) }
  }
  const opens = new Date(Math.max(notBefore.getTime(), (await windowOpensAt(deps, job, window)).getTime()))
  await tell(deps, job, () => forgetKeyState(deps.db, job.userId, job.keyId))
  return { notBefore: opens, retryAt: opens, waitsFor: window }
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
