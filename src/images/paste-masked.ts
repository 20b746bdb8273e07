import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import { findFile } from '../library/file-queries.ts'
import { keepComposed } from '../library/keep.ts'
import { type Picture, restoreComposed } from '../library/queries.ts'
import { refuseWhenFull } from '../library/storage-limit.ts'
import { isSameShape, pasteMasked } from '../pixels/mask.ts'
import { Refusal } from '../web/errors.ts'
import { findJob } from './job-queries.ts'
import { findMask } from './mask-queries.ts'

// A photograph of 40 megapixels takes some 300 MB and two seconds.
const oneAtATime = pLimit(1)

/**
 * *Keep only the masked area*: pastes it from `result` into the untouched original, as a new picture; both stay. Asked
 * again, it is the same picture again. Returns its id. Throws `Refusal` 409 where there is nothing to paste.
 */
export async function keepMasked(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  result: Picture,
): Promise<string> {
  const { userId } = result
  return oneAtATime(async () => {
    const known = await restoreComposed(deps.db, result)
    if (known) return known
    await refuseWhenFull(deps, userId)
    const job = result.jobId ? await findJob(deps.db, userId, result.jobId) : null
    const mask = job?.maskId ? await findMask(deps.db, userId, job.maskId) : null
    const file = job && mask ? await findFile(deps.db, userId, job.referenceTokens[0] ?? '') : null
    if (!mask || !file || result.format === 'bin') throw new Refusal(409, 'images.keep_masked.no_mask')
    if (!isSameShape(file, result)) throw new Refusal(409, 'images.keep_masked.other_shape')
    const [original, edited] = await Promise.all([deps.storage.read(file.token), deps.storage.read(result.token)])
    if (!original || !edited) throw new Refusal(409, 'images.keep_masked.no_mask')
    return keepComposed(deps, await pasteMasked(original, edited, mask.bytes), { result, original: file.token })
  })
}
