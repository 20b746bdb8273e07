import type { Deps } from '../deps.ts'
import { filePicture, newToken, storePicture } from '../library/keep.ts'
import { type ClaimedJob, type ImageJob, setTokens } from './queries.ts'

/**
 * Stores a picture that a job was paid for and files it in the library of its owner. Throws `NotAPicture`, and
 * `StorageError` or `DatabaseUnavailable` where it is to be tried again: it is safe to repeat.
 */
export async function fileMade(deps: Deps, job: ClaimedJob, position: number, bytes: Buffer): Promise<void> {
  if (position >= job.tokens.length) {
    // More than were asked for; paid for all the same. Named on the row first, like the others.
    const tokens = [...job.tokens, ...Array.from({ length: position + 1 - job.tokens.length }, newToken)]
    await setTokens(deps.db, job, tokens)
    job.tokens = tokens
  }
  const token = job.tokens[position]!
  await filePicture(deps, await storePicture(deps, token, bytes), pictureOf(job, token, position))
  deps.metrics.pictures.inc()
}

export function pictureOf(job: ImageJob, token: string, position: number) {
  const { userId, model, prompt, quality } = job
  const sourceTokens = job.referenceTokens
  return { userId, token, jobId: job.id, position, model, prompt, requestedSize: job.size, quality, sourceTokens }
}
