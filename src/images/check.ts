import type { Deps } from '../deps.ts'
import { findReceipt } from '../spend/queries.ts'
import { decide, settle, type Tell } from '../spend/settle.ts'
import { noteEditBilling } from './edit-queries.ts'
import { type ImageJob, setVerdict } from './job-queries.ts'

/** Whether the usage rows, or the person, could still tell more about it. */
export function mayCheck(job: ImageJob): boolean {
  return job.charged === 'unknown' && job.finishedAt !== null && job.calledAt !== null
}

export const tellPicture: Tell = async (tx, receipt, verdict) => {
  await setVerdict(tx, receipt.userId, receipt.subject, verdict)
  if (verdict.billingMode) await noteEditBilling(tx, receipt.subject, verdict.billingMode === 'token')
}

/** Looks at once whether a job whose outcome is not known was charged. Throws `SignedOut`. */
export async function checkJob(deps: Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log'>, job: ImageJob): Promise<void> {
  const receipt = mayCheck(job) ? await findReceipt(deps.db, job.userId, 'picture', job.id) : null
  if (receipt) await settle(deps, [receipt], tellPicture, { asked: true })
}

/** The person says which of the rows it was, or null for none. False when there is nothing to decide. */
export async function decideJob(deps: Pick<Deps, 'db'>, job: ImageJob, usageId: number | null): Promise<boolean> {
  const receipt = mayCheck(job) ? await findReceipt(deps.db, job.userId, 'picture', job.id) : null
  return receipt !== null && (await decide(deps, receipt, usageId, tellPicture))
}
