import type { Deps } from '../deps.ts'
import { listPicturesOfJobs, setChangedOutside } from '../library/queries.ts'
import { shareChangedOutside } from '../pixels/mask.ts'
import type { Queues } from '../work/queues.ts'
import { findJob, touchJob } from './job-queries.ts'
import { findMask } from './mask-queries.ts'

/**
 * The model takes a mask as advice: measures for every picture of an edit with a mask how much changed outside it. After
 * the pictures are shown, since it takes a moment. Safe to repeat.
 */
export async function measureOutside(
  deps: Pick<Deps, 'db' | 'storage'>,
  { jobId, userId }: Queues['image-outside'],
): Promise<void> {
  const job = await findJob(deps.db, userId, jobId)
  const [token] = job?.referenceTokens ?? []
  const mask = job?.maskId && (await findMask(deps.db, userId, job.maskId))
  const original = token && mask ? await deps.storage.read(token) : null
  if (!mask || !original) return
  const pictures = await listPicturesOfJobs(deps.db, userId, [jobId])
  for (const picture of pictures.filter(each => each.condition === 'whole' && each.changedOutside === null)) {
    const result = await deps.storage.read(picture.token)
    const share = result && (await shareChangedOutside(original, result, mask.bytes))
    if (share === null) continue
    await setChangedOutside(deps.db, userId, picture.id, share)
    await touchJob(deps.db, userId, jobId)
  }
}
