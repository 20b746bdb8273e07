import type { Db } from '../db/db.ts'
import { countSilentEdits, SILENT_SECONDS } from './edit-queries.ts'
import type { ImageJob } from './job-queries.ts'

const CURE =
  'previews for edits (PLAYGROUND_PARTIAL_IMAGES_EDITS, or the preference on the account page) would keep it open'

type Ended = Pick<
  ImageJob,
  'failureReason' | 'charged' | 'referenceTokens' | 'previews' | 'calledAt' | 'finishedAt' | 'state'
>

/**
 * An edit without previews says nothing until its picture is there. What lies on the way may have given it up: `certain`
 * where that said so, `likely` where the line broke after a silence that many proxies do not stand. Null: neither.
 */
export function silenceOf(job: Ended): 'certain' | 'likely' | null {
  if (job.referenceTokens.length === 0 || job.previews !== 0 || !job.calledAt || !job.finishedAt) return null
  if (job.failureReason === 'timeout') return 'certain'
  const seconds = (job.finishedAt.getTime() - job.calledAt.getTime()) / 1000
  return job.failureReason === 'gateway_down' && job.state === 'unknown' && seconds >= SILENT_SECONDS ? 'likely' : null
}

export const silenceWarning = {
  certain: `an edit was given up while the line to the gateway was silent: ${CURE}`,
  likely: `the line to the gateway broke after a long silence: if something on the way gave the edit up, ${CURE}`,
}

/** What an operator should know though all is well. */
export async function operatorNotes(db: Db): Promise<string[]> {
  const { certain, likely } = await countSilentEdits(db)
  const of = (count: number) => `${count} ${count === 1 ? 'edit was' : 'edits were'}`
  const notes = []
  if (certain > 0)
    notes.push(`${of(certain)} given up in the last day while the line to the gateway was silent: ${CURE}`)
  if (likely > 0) {
    const when = `cut off in the last day after more than ${SILENT_SECONDS} seconds of silence`
    notes.push(`${of(likely)} ${when}: if something on the way to the gateway did that, ${CURE}`)
  }
  return notes
}
