import { forgetKeyState } from '../account/queries.ts'
import type { Deps } from '../deps.ts'
import { persistEnding } from '../work/persist.ts'
import { type ClaimedJob, type Ending, finishJob } from './claim-queries.ts'
import { tellEnd } from './ended.ts'
import { endCall } from './receipts.ts'
import { silenceOf, silenceWarning } from './silent-edits.ts'

// What is known of the key is no longer true then: whoever pays with it next is told so before.
const ofKey: ReadonlySet<string> = new Set(['key_invalid', 'key_expired', 'key_quota', 'group_no_images'])

/** Ends the job and, where something may have been charged, has the cost looked up. */
export async function finish(deps: Deps, job: ClaimedJob, ending: Ending): Promise<void> {
  const { state, reason = null, charged, leftovers = false } = ending
  const bare = { state, reason, charged, leftovers }
  await deps.at?.('ending', job.id)
  const ended = await persistEnding(deps, ending, bare, told =>
    deps.db.transaction(async tx => {
      const row = await finishJob(tx, job, told)
      if (row) await endCall(tx, row, told.previews ?? null)
      if (row) await tellEnd(tx, row)
      if (row?.maskId) await deps.jobs.send(tx, 'image-outside', { jobId: job.id, userId: job.userId })
      if (row?.failureReason && ofKey.has(row.failureReason)) await forgetKeyState(tx, job.userId, job.keyId)
      return row
    }),
  )
  await deps.at?.('ended', job.id)
  const silence = ended && silenceOf(ended)
  if (silence) deps.log.warn({ job: ended.id }, silenceWarning[silence])
  if (!ended) return
  const facts = { state: ended.state, reason: ended.failureReason ?? '' }
  deps.metrics.jobsFinished.inc(facts)
  const trace = { failed: ended.state !== 'done' && ended.state !== 'cancelled', subject: ended.id, facts }
  deps.traces.tell({ name: 'picture job', from: ended.createdAt, ...trace })
  if (ended.calledAt) deps.traces.tell({ name: 'gateway picture', from: ended.calledAt, ...trace })
  deps.log.info({ job: ended.id, ...facts, gatewayRequest: ended.requestId ?? undefined }, 'a picture job ended')
}
