import type { Db } from '../db/db.ts'
import { countSilentEdits } from './edit-queries.ts'
import type { ImageJob } from './queries.ts'

const CURE =
  'previews for edits (PLAYGROUND_PARTIAL_IMAGES_EDITS, or the preference on the account page) would keep it open'

/** An edit without previews says nothing until its picture is there: what lies on the way may have given it up. */
export function isSilentEdit(job: Pick<ImageJob, 'failureReason' | 'referenceTokens' | 'previews'>): boolean {
  return job.failureReason === 'timeout' && job.referenceTokens.length > 0 && job.previews === 0
}

export const silentEditWarning = `an edit was given up while the line to the gateway was silent: ${CURE}`

/** What an operator should know though all is well. */
export async function operatorNotes(db: Db): Promise<string[]> {
  const count = await countSilentEdits(db)
  const of = `${count} ${count === 1 ? 'edit was' : 'edits were'}`
  return count > 0 ? [`${of} given up in the last day while the line to the gateway was silent: ${CURE}`] : []
}
