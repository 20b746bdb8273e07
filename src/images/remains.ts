import type { Deps } from '../deps.ts'
import { deleteBytes, filePicture, newToken, storePicture } from '../library/keep.ts'
import { beforeLeaving, isOutage, persist } from '../work/persist.ts'
import type { ClaimedJob, Ending } from './claim-queries.ts'
import type { Progress } from './failures.ts'
import { pictureOf } from './file-made.ts'
import { spillPicture } from './spill-picture.ts'

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
    if (half) {
      const place = { token: job.tokens[received] ?? newToken(), position: received }
      await keepSafe(deps, job, half, received, () => fileShown(deps, job, half, place))
    }
    if (preview) await keepSafe(deps, job, preview, PREVIEW, () => filePreview(deps, job, preview))
  } catch (error) {
    deps.log.warn({ err: error, job: job.id }, 'what a call left could not be kept')
  }
}

/** Where the last preview of a job stands in a spill: behind whatever pictures it may have. */
export const PREVIEW = 1000

/** Behind the pictures of the job, whose numbers do not change with it. Safe to repeat. */
export async function filePreview(deps: Deps, job: ClaimedJob, bytes: Buffer): Promise<void> {
  const position = Math.max(job.n, job.tokens.length)
  await fileShown(deps, job, bytes, { token: newToken(), position, condition: 'preview' })
}

/** The job ends meanwhile: what waits in the spill is filed after its end. */
async function keepSafe(
  deps: Deps,
  job: ClaimedJob,
  bytes: Buffer,
  position: number,
  file: () => Promise<void>,
): Promise<void> {
  try {
    await beforeLeaving(deps, file())
  } catch (error) {
    if (!isOutage(error)) throw error
    await spillPicture(deps, job, position, bytes).catch(() => persist(deps, file))
  }
}

async function fileShown(
  deps: Deps,
  job: ClaimedJob,
  bytes: Buffer,
  { token, position, condition }: { token: string; position: number; condition?: 'preview' },
): Promise<void> {
  const stored = await storePicture(deps, token, bytes)
  // Not even a part of it can be shown, and it was no whole file to begin with.
  if (stored.condition === 'undecodable') return deleteBytes(deps, token)
  const picture = { ...pictureOf(job, token, position), ...(condition && { condition }) }
  await filePicture(deps, stored, picture)
}
