import type { Deps } from '../deps.ts'
import type { Told } from '../gateway/told.ts'
import { filePicture, newToken, type Stored, storePicture } from '../library/keep.ts'
import { type ClaimedJob, setTokens } from './claim-queries.ts'
import type { ImageJob } from './job-queries.ts'

/** What came of a picture; `detail` is what is wrong with one that cannot be shown. */
export type Made = Pick<Stored, 'condition' | 'detail'>

/**
 * Stores a picture that a job was paid for, whatever it is, and files it in the library of its owner. Throws `StorageError` or
 * `DatabaseUnavailable` where it is to be tried again: it is safe to repeat.
 */
export async function fileMade(
  deps: Deps,
  job: ClaimedJob,
  position: number,
  bytes: Buffer,
  told: Told = {},
): Promise<Made> {
  if (position >= job.tokens.length) {
    // More than were asked for; paid for all the same. Named on the row first, like the others.
    const tokens = [...job.tokens, ...Array.from({ length: position + 1 - job.tokens.length }, newToken)]
    await setTokens(deps.db, job, tokens)
    job.tokens = tokens
  }
  const token = job.tokens[position]!
  const stored = await storePicture(deps, token, bytes)
  await filePicture(deps, stored, { ...pictureOf(job, token, position), ...saidOf(job, told) })
  await deps.at?.('filed', job.id)
  if (stored.condition !== 'undecodable') deps.metrics.pictures.inc()
  return stored
}

/** What is filed beside a picture of what the gateway said of it. */
export function saidOf({ prompt }: Pick<ImageJob, 'prompt'>, { revisedPrompt = '', ...returned }: Told) {
  return { returned, revisedPrompt: revisedPrompt === prompt ? '' : revisedPrompt }
}

/** What is filed in the library of a picture that a job made; positions count from 0. */
export function pictureOf(job: ImageJob, token: string, position: number) {
  const { userId, model, prompt, quality, size, n, format, compression, background, moderation } = job
  const asked = { model, size, quality, n, format, compression, background, moderation }
  const sourceTokens = job.referenceTokens
  return { userId, token, jobId: job.id, position, model, prompt, requestedSize: size, quality, sourceTokens, asked }
}
