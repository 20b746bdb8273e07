import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { openJobKey } from '../account/key.ts'
import { DatabaseUnavailable } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { GatewayError } from '../gateway/errors.ts'
import type { EditRequest, ImageRequest } from '../gateway/images.ts'
import { filePicture, newToken, storePicture } from '../library/keep.ts'
import { listFiles } from '../library/queries.ts'
import { StorageError } from '../storage/storage.ts'
import { NotAPicture } from '../storage/thumbnails.ts'
import { createPreviewer } from './preview.ts'
import * as queries from './queries.ts'

/** Why a call was ended from our side: the reason of the job's abort signal. */
export type Stop = 'cancelled' | 'shutdown'

const ATTEMPTS = 8
const PERSIST_FOR_MS = 120_000

/**
 * Runs one claimed job to its end: asks the gateway at most once, keeps every picture as soon as it is whole, and
 * leaves the row in a state that says what happened. Only a failure that proves that nothing was charged puts the job
 * back into the queue.
 */
export async function makePictures(deps: Deps, claimed: queries.ClaimedJob, signal: AbortSignal): Promise<void> {
  if (!claimed.keySecret) throw new Error(`job ${claimed.id} has no key`)
  const key = openJobKey(deps, claimed.userId, claimed.id, claimed.keySecret)
  const tokens = Array.from({ length: claimed.n }, newToken)
  const inputs = await openInputs(deps, claimed)
  if (inputs === 'gone') {
    return finish(deps, claimed, { state: 'failed', reason: 'bad_request', field: 'image', charged: 'no' })
  }
  // Shutting down, or cancelled, before anything was sent: the row may go back, or end uncharged.
  const job = signal.aborted ? null : await queries.markCalled(deps.db, claimed, tokens)
  if (!job) return giveBack(deps, claimed)

  const previewer = createPreviewer(deps, job)
  const progress: Progress = { received: 0, kept: 0, rejected: null, requestId: null }
  let ending: queries.Ending
  try {
    const streamed = deps.config.partialImages > 0
    const caller = { address: job.callerAddress, userAgent: job.callerUserAgent }
    const options = { signal, stream: streamed, partialImages: streamed ? deps.config.partialImages : undefined }
    const events = inputs
      ? deps.gateway.editImage(caller, key, { ...requestOf(job), ...inputs }, options)
      : deps.gateway.generateImage(caller, key, requestOf(job), options)
    for await (const event of events) {
      if (event.type === 'accepted') await noteRequestId(deps, job, event.requestId, progress)
      else if (event.type === 'partial') previewer.offer(event.bytes, event.index)
      else if (event.type === 'completed') {
        previewer.drop()
        await keep(deps, job, event.bytes, progress)
      }
    }
    ending = endingOf(progress)
  } catch (error) {
    ending = await endingAfter(deps, job, progress, error, signal)
    if (mayRunAgain(error, job, progress) && !signal.aborted) {
      await previewer.settled()
      if (await persist(() => queries.requeueJob(deps.db, job, comeBackAt(error as GatewayError, job)))) return
    }
  }
  await previewer.settled()
  await finish(deps, job, ending)
}

function requestOf(job: queries.ImageJob): ImageRequest {
  const { model, prompt, n, size, quality, background, moderation, format, compression } = job
  const outputCompression = compression ?? undefined
  return { model, prompt, n, size, quality, background, moderation, outputFormat: format, outputCompression }
}

/** What an edit starts from, each file read only while it is sent; null for a picture from words alone. */
async function openInputs(
  deps: Deps,
  job: queries.ImageJob,
): Promise<Pick<EditRequest, 'images' | 'mask'> | null | 'gone'> {
  if (job.referenceTokens.length === 0) return null
  const files = await listFiles(deps.db, job.userId, job.referenceTokens)
  const mask = job.maskId ? await queries.findMask(deps.db, job.userId, job.maskId) : null
  if (files.length < job.referenceTokens.length || (job.maskId && !mask)) return 'gone'
  const open = async (token: string) => {
    const object = await deps.storage.open(token)
    if (!object) throw new Error(`the bytes of ${token} are gone`)
    return object.stream
  }
  for (const { token } of files) if (!(await deps.storage.head(token))) return 'gone'
  return {
    images: files.map(({ token, format, bytes }) => ({
      contentType: `image/${format}`,
      size: bytes,
      open: () => open(token),
    })),
    mask: mask
      ? { contentType: 'image/png', size: mask.bytes.length, open: async () => Readable.from([mask.bytes]) }
      : undefined,
  }
}

/** Ends the job and, where something may have been charged, has the cost looked up. */
export async function finish(deps: Deps, job: queries.ClaimedJob, ending: queries.Ending): Promise<void> {
  const ended = await persist(() =>
    deps.db.transaction(async tx => {
      const row = await queries.finishJob(tx, job, ending)
      if (row?.costUntil) await deps.jobs.send(tx, 'image-cost', { jobId: job.id, attempt: 1 })
      return row
    }),
  )
  if (ended) deps.metrics.jobsFinished.inc({ state: ended.state, reason: ended.failureReason ?? '' })
}

interface Progress {
  /** Pictures that came whole, and those of them that are in the library. */
  received: number
  kept: number
  /** The first picture that could not be kept, and why. */
  rejected: { reason: 'bad_image' | 'storage'; detail: string } | null
  requestId: string | null
}

async function keep(deps: Deps, job: queries.ClaimedJob, bytes: Buffer, progress: Progress): Promise<void> {
  const position = progress.received++
  if (position >= job.tokens.length) {
    // More than were asked for; paid for, so kept. Named on the row first, like the others.
    job.tokens.push(newToken())
    await persist(() => queries.setTokens(deps.db, job, job.tokens))
  }
  const token = job.tokens[position]!
  try {
    const stored = await persist(() => storePicture(deps, token, bytes))
    await persist(() => filePicture(deps, stored, pictureOf(job, token, position)))
    progress.kept++
    deps.metrics.pictures.inc()
    if (progress.kept < job.n) await persist(() => queries.bumpVersion(deps.db, job))
  } catch (error) {
    if (error instanceof NotAPicture) progress.rejected ??= { reason: 'bad_image', detail: error.reason }
    else if (error instanceof StorageError) progress.rejected ??= { reason: 'storage', detail: error.message }
    else throw error
    deps.log.error({ err: error, job: job.id, position }, 'a picture could not be kept')
  }
}

export function pictureOf(job: queries.ImageJob, token: string, position: number) {
  const { userId, model, prompt, quality } = job
  return { userId, token, jobId: job.id, position, model, prompt, requestedSize: job.size, quality }
}

function endingOf(progress: Progress): queries.Ending {
  const { kept, rejected, requestId } = progress
  if (rejected) return { state: kept > 0 ? 'done' : 'failed', charged: 'yes', requestId, ...rejected }
  if (kept > 0) return { state: 'done', charged: 'yes', requestId }
  return { state: 'unknown', reason: 'upstream', charged: 'unknown', requestId }
}

async function endingAfter(
  deps: Deps,
  job: queries.ClaimedJob,
  progress: Progress,
  error: unknown,
  signal: AbortSignal,
): Promise<queries.Ending> {
  const { kept, requestId } = progress
  if (signal.aborted) {
    const charged = kept > 0 ? 'yes' : 'unknown'
    const stop = signal.reason as Stop
    return { state: stop === 'cancelled' ? 'cancelled' : 'unknown', reason: 'interrupted', charged, requestId }
  }
  if (!(error instanceof GatewayError)) {
    deps.log.error({ err: error, job: job.id }, 'making a picture failed')
    return { state: 'unknown', reason: 'interrupted', charged: kept > 0 ? 'yes' : 'unknown', requestId }
  }
  const { charged, detail, field, retryAt } = error.facts
  const told = { reason: error.reason, charged, detail, field, retryAt, requestId: error.facts.requestId ?? requestId }
  if (charged === 'unknown') return { state: 'unknown', ...told }
  // One failed picture of n does not lose the others: the job is done, with a reason for what is missing.
  return { state: kept > 0 ? 'done' : 'failed', ...told }
}

function mayRunAgain(error: unknown, job: queries.ClaimedJob, progress: Progress): boolean {
  return (
    error instanceof GatewayError && error.facts.mayRetry === true && progress.received === 0 && job.attempts < ATTEMPTS
  )
}

/** When the gateway says, else after 2, 4, 8 … 60 seconds, give or take a quarter so that not all come at once. */
function comeBackAt(error: GatewayError, job: queries.ClaimedJob): Date {
  const backOff = Math.min(60_000, 1000 * 2 ** job.attempts) * (0.75 + Math.random() / 2)
  return new Date(Math.max(Date.now() + backOff, error.facts.retryAt?.getTime() ?? 0))
}

async function giveBack(deps: Deps, job: queries.ClaimedJob): Promise<void> {
  if (await persist(() => queries.requeueUnsent(deps.db, job))) return
  await finish(deps, job, { state: 'cancelled', charged: 'no' })
}

async function noteRequestId(deps: Deps, job: queries.ClaimedJob, requestId: string | null, progress: Progress) {
  progress.requestId = requestId
  if (requestId) await persist(() => queries.setRequestId(deps.db, job, requestId))
}

/** What has been paid for is not lost to a restart of the database or a hiccup of the store: tries for two minutes. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  const giveUp = Date.now() + PERSIST_FOR_MS
  for (let wait = 250; ; wait = Math.min(wait * 2, 5_000)) {
    try {
      return await work()
    } catch (error) {
      const passing = error instanceof DatabaseUnavailable || error instanceof StorageError
      if (!passing || Date.now() + wait > giveUp) throw error
      await delay(wait)
    }
  }
}
