import { Readable } from 'node:stream'
import { openJobKey } from '../account/key.ts'
import { DatabaseUnavailable } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import type { EditRequest, ImageRequest } from '../gateway/images.ts'
import { filePicture, newToken, storePicture } from '../library/keep.ts'
import { listFiles } from '../library/queries.ts'
import { SealBroken } from '../secrets/sealer.ts'
import type { Secret } from '../secrets/secret.ts'
import { StorageError } from '../storage/storage.ts'
import { NotAPicture } from '../storage/thumbnails.ts'
import { persist } from '../worker.ts'
import { endingAfter, endingOf, type Progress, runAgainAt } from './failures.ts'
import { createPreviewer, type Previewer } from './preview.ts'
import * as queries from './queries.ts'

/**
 * Runs one claimed job to its end: asks the gateway at most once, keeps every picture as soon as it is whole, and
 * leaves the row in a state that says what happened. Only a failure that proves that nothing was charged puts the job
 * back into the queue.
 */
export async function makePictures(deps: Deps, claimed: queries.ClaimedJob, signal: AbortSignal): Promise<void> {
  const key = openKey(deps, claimed)
  if (!key) return finish(deps, claimed, { state: 'failed', reason: 'key_invalid', charged: 'no' })
  const tokens = Array.from({ length: claimed.n }, newToken)
  const inputs = await openInputs(deps, claimed)
  if (inputs === 'gone') {
    return finish(deps, claimed, { state: 'failed', reason: 'bad_request', field: 'image', charged: 'no' })
  }
  // Shutting down, or cancelled, before anything was sent: the row may go back, or end uncharged.
  const job = signal.aborted ? null : await persist(deps, () => queries.markCalled(deps.db, claimed, tokens))
  if (!job) return giveBack(deps, claimed)

  const previewer = createPreviewer(deps, job)
  const progress: Progress = { received: 0, kept: 0, rejected: null, leftovers: false, requestId: null }
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
        await keep(deps, job, event.bytes, progress, previewer)
      } else if (event.type === 'rejected') {
        progress.received++
        progress.rejected ??= { reason: 'bad_image', detail: event.detail }
      }
    }
    ending = endingOf(progress)
  } catch (error) {
    ending = endingAfter(deps, job, progress, error, signal)
    const notBefore = runAgainAt(job, progress, error, signal)
    if (notBefore) {
      await previewer.settled()
      if (await persist(deps, () => queries.requeueJob(deps.db, job, notBefore, ending.retryAt ?? null))) return
      const isCancelled = await persist(deps, () => queries.listCancelled(deps.db, [job.claim]))
      if (isCancelled.length > 0) ending = { state: 'cancelled', charged: 'no' }
    }
  }
  await previewer.settled()
  await finish(deps, job, { ...ending, leftovers: progress.leftovers })
}

/** Null when no secret opens it any more: trying again would not help. */
function openKey(deps: Deps, job: queries.ClaimedJob): Secret | null {
  if (!job.keySecret) throw new Error(`job ${job.id} has no key`)
  try {
    return openJobKey(deps, job.userId, job.id, job.keySecret)
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error
    deps.log.error({ err: error, job: job.id }, 'the key of a job cannot be opened')
    return null
  }
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
  const ended = await persist(deps, () =>
    deps.db.transaction(async tx => {
      const row = await queries.finishJob(tx, job, ending)
      if (row?.costUntil) await deps.jobs.send(tx, 'image-cost', { jobId: job.id, attempt: 1 })
      if (row?.maskId) await deps.jobs.send(tx, 'image-outside', { jobId: job.id, userId: job.userId })
      return row
    }),
  )
  if (ended) deps.metrics.jobsFinished.inc({ state: ended.state, reason: ended.failureReason ?? '' })
}

/** Keeps a picture that has been paid for. However long store or database stay away, the call is read on: more may come. */
async function keep(
  deps: Deps,
  job: queries.ClaimedJob,
  bytes: Buffer,
  progress: Progress,
  previewer: Previewer,
): Promise<void> {
  const position = progress.received++
  try {
    if (position >= job.tokens.length) {
      // More than were asked for; paid for all the same. Named on the row first, like the others.
      job.tokens.push(newToken())
      await persist(deps, () => queries.setTokens(deps.db, job, job.tokens))
    }
    const token = job.tokens[position]!
    const stored = await persist(deps, () => storePicture(deps, token, bytes))
    await persist(deps, () => filePicture(deps, stored, pictureOf(job, token, position)))
    progress.kept++
    deps.metrics.pictures.inc()
  } catch (error) {
    if (error instanceof NotAPicture) progress.rejected ??= { reason: 'bad_image', detail: error.reason }
    else if (isOutage(error)) {
      progress.rejected ??= { reason: 'storage', detail: error.message }
      progress.leftovers = true
    } else throw error
    deps.log.error({ err: error, job: job.id, position }, 'a picture could not be kept')
    return
  }
  if (progress.kept >= job.n) return
  // Or a preview still being drawn would come back after its picture.
  await previewer.settled()
  await tell(deps, job, () => queries.bumpVersion(deps.db, job))
}

function isOutage(error: unknown): error is StorageError | DatabaseUnavailable {
  return error instanceof StorageError || error instanceof DatabaseUnavailable
}

/** What a page would like to know now and the end of the job tells anyway: no reason to leave a call that is paid for. */
async function tell(deps: Deps, job: queries.ClaimedJob, work: () => Promise<void>): Promise<void> {
  try {
    await persist(deps, work)
  } catch (error) {
    if (!isOutage(error)) throw error
    deps.log.warn({ err: error, job: job.id }, 'a running job could not be told of')
  }
}

export function pictureOf(job: queries.ImageJob, token: string, position: number) {
  const { userId, model, prompt, quality } = job
  const sourceTokens = job.referenceTokens
  return { userId, token, jobId: job.id, position, model, prompt, requestedSize: job.size, quality, sourceTokens }
}

/** Nothing was sent: back into the queue, or cancelled as asked. */
async function giveBack(deps: Deps, job: queries.ClaimedJob): Promise<void> {
  if (await persist(deps, () => queries.requeueUnsent(deps.db, job))) return
  await persist(deps, () => queries.cancelUnsent(deps.db, job))
}

async function noteRequestId(deps: Deps, job: queries.ClaimedJob, requestId: string | null, progress: Progress) {
  progress.requestId = requestId
  if (requestId) await tell(deps, job, () => queries.setRequestId(deps.db, job, requestId))
}
