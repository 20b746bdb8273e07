import type { Deps } from '../deps.ts'
import { deleteBytes, filePicture, newToken, storePicture } from '../library/keep.ts'
import { persist } from '../worker.ts'
import type { Progress } from './failures.ts'
import { pictureOf } from './file-made.ts'
import type { ClaimedJob, Ending } from './queries.ts'

/** What a call left that broke off. */
interface Remains {
  /** The first part of a finished picture. */
  half: Buffer | null
  /** The last of the picture that was in the making. */
  preview: Buffer | null
}

/**
 * Keeps what can be shown of pictures that may have been paid for and never came. How the job ends does not change with it, and
 * nothing that goes wrong here stands in the way of that end.
 */
export async function keepRemains(
  deps: Deps,
  job: ClaimedJob,
  { received, kept }: Progress,
  { state, reason, charged }: Ending,
  { half, preview }: Remains,
): Promise<void> {
  // Cancelled, it is not wanted; declined, it must not be shown.
  if (kept >= job.n || state === 'cancelled' || charged === 'no' || reason === 'content_policy') return
  try {
    if (half) await keepShown(deps, job, half, { token: job.tokens[received] ?? newToken(), position: received })
    if (preview) await keepPreview(deps, job, preview)
  } catch (error) {
    deps.log.warn({ err: error, job: job.id }, 'what a call left could not be kept')
  }
}

/** Behind the pictures of the job, whose numbers do not change with it. */
export async function keepPreview(deps: Deps, job: ClaimedJob, bytes: Buffer): Promise<void> {
  const position = Math.max(job.n, job.tokens.length)
  await keepShown(deps, job, bytes, { token: newToken(), position, condition: 'preview' })
}

async function keepShown(
  deps: Deps,
  job: ClaimedJob,
  bytes: Buffer,
  { token, position, condition }: { token: string; position: number; condition?: 'preview' },
): Promise<void> {
  const stored = await persist(deps, () => storePicture(deps, token, bytes))
  // Not even a part of it can be shown, and it was no whole file to begin with.
  if (stored.condition === 'undecodable') return deleteBytes(deps, token)
  const picture = { ...pictureOf(job, token, position), ...(condition && { condition }) }
  await persist(deps, () => filePicture(deps, stored, picture))
}
