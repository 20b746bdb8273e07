import { randomUUID } from 'node:crypto'
import type { Requester } from '../account/requester.ts'
import type { Deps } from '../deps.ts'
import { refuseWhenFull } from '../library/storage-limit.ts'
import { Refusal } from '../web/errors.ts'
import { derivedSubmission } from '../web/submission.ts'
import { isVisible } from '../web/text.ts'
import { inTurn } from '../web/turns.ts'
import { type Sentence, say } from '../web/words.ts'
import { type Batch, findBatchBySubmission, insertBatch, listJobsOfBatch } from './batch-queries.ts'
import { countChoices, takeChoices } from './choices.ts'
import { viewJobs } from './job-view.ts'
import { checkRequest, type Faults, type FormValues, type ImageRequest } from './prompt.ts'
import { prepare } from './start.ts'
import { countQueued, startsLock } from './start-queries.ts'
import type { BatchView, JobState } from './view.ts'

export const BATCH_LINES = 50
/** As typed, with the empty ones between them. */
const MOST_LINES = 1_000

export interface CheckedLines {
  lines: { prompt: string; request: ImageRequest | null; fault: Sentence | null }[]
  /** Of the settings, and of the lines as a whole. */
  faults: Faults
}

/**
 * One request a line, empty ones left out; what is wrong with a line stands beside it. `choices`: one for each that a line
 * with `{red|blue}` in it stands for.
 */
export function checkLines(prompts: string, values: FormValues, choices: boolean): CheckedLines {
  const typed = prompts.split(/[\r\n]+/, MOST_LINES + 1)
  const written = typed.map(line => line.trim()).filter(isVisible)
  const asked = choices ? written.reduce((sum, line) => sum + countChoices(line), 0) : written.length
  const count = typed.length > MOST_LINES ? typed.length : asked
  if (count === 0) return { lines: [], faults: { prompts: say('images.batch.empty') } }
  if (count > BATCH_LINES) {
    const fault = say('images.batch.too_many_lines', { count, limit: BATCH_LINES })
    return { lines: [], faults: { prompts: fault } }
  }
  const texts = choices ? written.flatMap(takeChoices) : written
  let faults: Faults = {}
  const lines = texts.map(prompt => {
    const checked = checkRequest({ ...values, prompt })
    if ('request' in checked) return { prompt, request: checked.request, fault: null }
    const { prompt: fault, ...settings } = checked.faults
    faults = { ...faults, ...settings }
    return { prompt, request: null, fault: fault ?? null }
  })
  return { lines, faults }
}

/**
 * Puts all requests into the queue together, or none: as many as may wait. The same `submission` is the same batch,
 * however often it comes. Throws `Refusal` as `startImage` does.
 */
export async function startBatch(
  deps: Pick<Deps, 'db' | 'sealer' | 'storage' | 'config'>,
  requester: Requester,
  requests: readonly ImageRequest[],
  submission: string,
): Promise<Batch> {
  const { userId } = requester
  const known = await findBatchBySubmission(deps.db, userId, submission)
  if (known) return known
  // All start from the same references.
  const { enqueue, admitBatch } = await prepare(deps, requester, requests.slice(0, 1))
  const limit = deps.config.limits.queuedPerUser
  return inTurn(deps.db, startsLock, requester, async tx => {
    const twin = await findBatchBySubmission(tx, userId, submission)
    if (twin) return twin
    await refuseWhenFull({ ...deps, db: tx }, userId)
    const waiting = await countQueued(tx, userId)
    if (waiting + requests.length > limit) {
      throw new Refusal(429, 'images.batch.too_many', { waiting, limit, free: Math.max(0, limit - waiting) }, 30)
    }
    await admitBatch(tx, requests)
    const batch = await insertBatch(tx, { id: randomUUID(), userId, submission })
    for (const [line, request] of requests.entries()) {
      await enqueue(tx, request, derivedSubmission(`line ${line} of ${batch.id}`), { batch: { id: batch.id, line } })
    }
    return batch
  })
}

export async function viewBatch(db: Deps['db'], batch: Batch): Promise<BatchView> {
  const rows = await listJobsOfBatch(db, batch)
  const jobs = await viewJobs(db, batch.userId, rows)
  const counts: Record<JobState, number> = { queued: 0, running: 0, done: 0, failed: 0, unknown: 0, cancelled: 0 }
  for (const { state } of jobs) counts[state]++
  const amounts = jobs.map(job => job.cost ?? job.estimate)
  return {
    id: batch.id,
    tag: [batch.version, ...jobs.map(job => job.tag.slice(37))].join('-'),
    paused: batch.state === 'paused',
    createdAt: batch.createdAt,
    counts,
    total: jobs.length,
    usd: amounts.reduce((sum, each) => (sum === null || each === null ? null : sum + each), 0 as number | null),
    isSettled: rows.every(job => job.finishedAt !== null && (job.cost !== null || job.charged === 'no')),
    jobs,
  }
}
