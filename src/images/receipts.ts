import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { listHashes } from '../library/file-queries.ts'
import { listPicturesOfJobs, shareCost } from '../library/queries.ts'
import { type CallKind, endReceipt, openReceipt, withdrawReceipt } from '../spend/receipt.ts'
import { type Again, type ClaimedJob, markCalled, requeueJob, unmarkCalled } from './claim-queries.ts'
import { noteEditBilling } from './edit-queries.ts'
import { type ImageJob, setVerdict } from './job-queries.ts'
import { lanesLock, noteLane } from './lane-queries.ts'

/** Pictures and edits, alone and of batches. */
export const pictureCalls: CallKind = {
  kind: 'picture',
  lostAfterSeconds: null,
  async tell(tx, receipt, verdict) {
    await setVerdict(tx, receipt.userId, receipt.subject, verdict)
    await shareCost(tx, receipt.userId, receipt.subject, verdict.amount)
    if (verdict.bill?.by) await noteEditBilling(tx, receipt.subject, verdict.bill.by === 'tokens')
  },
}

/** The last step before the gateway is asked, with its receipt. Null as of `markCalled`. */
export function beginCall(
  deps: Pick<Deps, 'db'>,
  claimed: ClaimedJob,
  tokens: readonly string[],
  previews: number,
): Promise<ClaimedJob | null> {
  return deps.db.transaction(async tx => {
    const job = await markCalled(tx, claimed, tokens, previews)
    if (!job) return null
    const { userId, signInId, id, keyId, keyName, keyGroup, model, estimate, batchId, sshKeyId, sshKeyName } = job
    const { dearest, fromBalance } = job
    await openReceipt(tx, pictureCalls, {
      userId,
      signInId,
      subject: id,
      keyId,
      keyName,
      keyGroup,
      model,
      asked: askedOf(job),
      estimate,
      held: dearest ?? estimate,
      isBounded: dearest !== null,
      fromBalance,
      prices: job.prices,
      batchId,
      sshKey: sshKeyId === null ? null : { id: sshKeyId, name: sshKeyName },
      conversation: job.conversationId === null ? null : { id: job.conversationId, title: job.conversationTitle },
    })
    return job
  })
}

/** It was not sent after all. */
export async function takeBackCall(deps: Pick<Deps, 'db'>, job: ClaimedJob): Promise<void> {
  await deps.db.transaction(async tx => {
    if (await unmarkCalled(tx, job)) await withdrawReceipt(tx, pictureCalls, job.id)
  })
}

/** Back into the queue after a call that was free, which stays on record. Null as of `requeueJob`. */
export function callAgainLater(
  deps: Pick<Deps, 'db'>,
  job: ClaimedJob,
  again: Again,
  requestId: string | null,
): Promise<ImageJob | null> {
  return deps.db.transaction(async tx => {
    if (again.isCrowded) await lanesLock.wait(tx, job.userId)
    const row = await requeueJob(tx, job, again)
    if (!row) return null
    if (again.isCrowded) await noteLane(tx, job)
    await endReceipt(tx, pictureCalls, job.id, { requestId, charged: 'no', reason: null })
    return row
  })
}

/** In the transaction that ends the job. */
export async function endCall(tx: Db, job: ImageJob, previews: number | null = null): Promise<void> {
  if (!job.calledAt) return
  const pictures = await listPicturesOfJobs(tx, job.userId, [job.id])
  const made = pictures.filter(({ condition }) => condition !== 'preview')
  const hashes = await listHashes(
    tx,
    job.userId,
    made.map(({ token }) => token),
  )
  const delivered = made.map(({ token, width, height, format, condition, returned }) => {
    const sha256 = hashes.get(token)?.toString('hex')
    const { quality, background } = returned
    const told = { ...(quality && { quality }), ...(background && { background }) }
    return { width, height, format, condition, ...(sha256 && { sha256 }), ...told }
  })
  const { requestId, charged, failureReason } = job
  await endReceipt(tx, pictureCalls, job.id, {
    requestId,
    charged: charged ?? 'unknown',
    reason: failureReason,
    delivered,
    previews,
  })
}

function askedOf(job: ImageJob) {
  const { size, quality, n, format, compression, background, moderation, previews } = job
  const asked = { size, quality, n, format, compression, background, moderation, previews }
  return { ...asked, references: job.referenceTokens.length, mask: job.maskId !== null }
}
