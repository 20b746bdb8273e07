import { clock } from '../db/clock.ts'
import type { Deps } from '../deps.ts'
import { findFile } from '../library/file-queries.ts'
import { deleteBytes, filePicture, readReceived, storePicture } from '../library/keep.ts'
import { listPositions } from '../library/queries.ts'
import { type ClaimedJob, clearLeftovers, requeueUnsent } from './claim-queries.ts'
import { endUnsent } from './ended.ts'
import { pictureOf } from './file-made.ts'
import { finish } from './finish.ts'
import { findPreview } from './preview-queries.ts'
import { filePreview } from './remains.ts'
import { recoverUnfetched } from './unfetched.ts'

const FETCHED_FOR_MS = 10 * 60_000

/**
 * Ends a job whose worker died. What it had stored is filed, without asking the gateway again; what was never sent goes back
 * into the queue; everything else ended in a way nobody knows. What could not be filed when its job ended is filed now.
 * `brought`: pictures that were filed just before.
 */
export async function recover(deps: Deps, job: ClaimedJob, brought = 0): Promise<void> {
  if (!job.calledAt) {
    // Neither: its worker lives after all, and has just sent it.
    if (!(await requeueUnsent(deps.db, job))) await endUnsent(deps, job)
    return
  }
  const unfetched = job.finishedAt ? 0 : await recoverUnfetched(deps, job)
  const filed = new Set(await listPositions(deps.db, job.userId, job.id))
  const before = filed.size - brought
  for (const [position, token] of job.tokens.entries()) {
    if (await findFile(deps.db, job.userId, token)) continue
    const bytes = await readReceived(deps, token)
    if (!bytes) continue
    // A picture there already has other bytes of the same content: these were about to be deleted.
    if (filed.has(position)) await deleteBytes(deps, token)
    else {
      const stored = await storePicture(deps, token, bytes)
      await filePicture(deps, stored, pictureOf(job, token, position))
      if (stored.condition === 'undecodable') continue
    }
    filed.add(position)
  }
  if (job.finishedAt) {
    if (filed.size === before) return clearLeftovers(deps.db, job)
    const isWhole = filed.size >= job.n
    return finish(deps, job, {
      state: job.state === 'cancelled' && !isWhole ? 'cancelled' : 'done',
      reason: isWhole ? null : job.failureReason,
      charged: 'yes',
      detail: isWhole ? null : job.failureDetail,
    })
  }
  deps.log.warn({ job: job.id, kept: filed.size, of: job.n }, 'a job outlived its worker')
  if (filed.size >= job.n) return finish(deps, job, { state: 'done', charged: 'yes' })
  // What it brought was safe on a worker that has been given up.
  if (job.madeAt && !job.spilledBy) {
    return finish(deps, job, { state: filed.size > 0 ? 'done' : 'failed', reason: 'storage', charged: 'yes' })
  }
  if (unfetched > 0) {
    // Its lease was taken anew: whoever finds it without one tries again.
    const now = await clock(deps.db)
    if (now.getTime() - job.calledAt.getTime() < FETCHED_FOR_MS) return
    return finish(deps, job, { state: filed.size > 0 ? 'done' : 'failed', reason: 'unfetched', charged: 'yes' })
  }
  const preview = job.cancelRequestedAt ? null : await findPreview(deps.db, job.userId, job.id)
  if (preview) await filePreview(deps, job, preview)
  await finish(deps, job, {
    state: job.cancelRequestedAt ? 'cancelled' : 'unknown',
    reason: 'interrupted',
    charged: filed.size > 0 ? 'yes' : 'unknown',
  })
}
