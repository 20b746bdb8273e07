import { randomUUID } from 'node:crypto'
import type { Db } from '../db/db.ts'
import type { Charged } from '../gateway/errors.ts'
import { listFiles, type StoredFile } from '../library/file-queries.ts'
import { viewPicture } from '../library/picture-view.ts'
import { hasArrived, listPicturesOfJobs, type Picture } from '../library/queries.ts'
import { dimensionsOf } from '../models/sizes.ts'
import { isSameShape } from '../pixels/mask.ts'
import { isInDoubt, type MoneyView, moneyOf } from '../spend/evidence.ts'
import { describe, type Ended, sentencesOf } from '../spend/sentences.ts'
import type { Translate } from '../web/i18n.ts'
import { listPaused } from './batch-queries.ts'
import type { ImageJob, JobPulse } from './job-queries.ts'
import { waitsOf } from './line.ts'
import type { Wait } from './line-queries.ts'
import type { Mask } from './mask-queries.ts'
import { silenceOf } from './silent-edits.ts'
import { linksOf } from './unfetched.ts'
import { usualOfJobs } from './usual.ts'
import type { JobFailure, JobView, MaskView, ReferenceView } from './view.ts'

/** In US dollars what stands for the cost until that is known: what was not made is no part of it. */
export function estimateNow(job: ImageJob, pictures: readonly Picture[]): number | null {
  const { state, charged, estimate, n } = job
  if (estimate === null) return null
  if (charged === 'no') return 0
  const made = pictures.filter(({ condition }) => condition !== 'preview').length + linksOf(job).length
  return state === 'done' ? (estimate / n) * made : estimate
}

/** The jobs of one person as pages show them: with their pictures and their places in the queue. */
export async function viewJobs(
  db: Db,
  userId: number,
  jobs: readonly ImageJob[],
  known?: ReadonlyMap<string, Wait>,
): Promise<JobView[]> {
  if (jobs.length === 0) return []
  const waits = known ?? (await waitsOf(db, userId, jobs))
  const startable = jobs.filter(job => job.state !== 'queued').map(job => job.id)
  const pictures = startable.length > 0 ? await listPicturesOfJobs(db, userId, startable) : []
  const byJob = Map.groupBy(pictures, picture => picture.jobId)
  const references = await viewReferences(
    db,
    userId,
    jobs.flatMap(job => job.referenceTokens),
  )
  const byToken = new Map(references.map(reference => [reference.token, reference]))
  const batches = jobs.flatMap(job => (job.state === 'queued' && job.batchId ? [job.batchId] : []))
  const usual = await usualOfJobs(db, userId, jobs)
  const paused = new Set(batches.length > 0 ? await listPaused(db, userId, batches) : [])
  return jobs.map(job => ({
    ...viewJob(job, byJob.get(job.id) ?? [], waits.get(job.id) ?? null, byToken),
    madeBy: job.sshKeyName,
    usual: usual.get(job.id) ?? null,
    batch: job.batchId ? { id: job.batchId, paused: paused.has(job.batchId) } : null,
  }))
}

/** What happened to a job that did not end well, and what is known about the money, in one text. */
export function describeJob(job: ImageJob, t: Translate): string {
  return describe(endOf(job), moneyView(job), t)
}

/** Changes with everything that a tile shows. */
export function tagOf(job: JobPulse, wait: Wait | null): string {
  const until = wait?.until ? Math.ceil(wait.until.getTime() / 1000).toString(36) : 0
  return [
    job.id,
    job.version,
    wait?.isStarting ? 'now' : (wait?.place ?? 0),
    until,
    wait?.needsKey ? 'key' : (wait?.missing ?? wait?.blocked ?? (safeOf(job)?.away ? 1 : 0)),
    wait?.atOnce ?? 0,
    isUnfinished(job) ? 1 : 0,
  ].join('.')
}

/** Once all is made, or nobody is heard of any more who could go on: until then it is a job under way like others. */
export function safeOf(job: JobPulse): JobView['safe'] {
  if (job.state !== 'running' || !job.spilledBy) return null
  const away = job.leaseUntil !== null && job.leaseUntil < new Date()
  return job.madeAt || away ? { since: job.madeAt, away } : null
}

/** Whether the page should go on asking: the job runs, or its cost is about to be known. */
export function isUnfinished(job: JobPulse): boolean {
  if (job.state === 'queued' || job.state === 'running') return true
  return job.cost === null && job.costUntil !== null && job.costUntil > new Date()
}

/** As `listForNothing` has it. */
function isForNothing(job: ImageJob): boolean {
  return ['failed', 'cancelled', 'unknown'].includes(job.state) && job.charged !== 'unknown' && !isUnfinished(job)
}

/** Those of the tokens that are this person's files, in the same order. */
export async function viewReferences(db: Db, userId: number, tokens: readonly string[]): Promise<ReferenceView[]> {
  if (tokens.length === 0) return []
  const files = await listFiles(db, userId, tokens)
  return files.map(viewReference)
}

export function viewReference({ token, width, height }: StoredFile): ReferenceView {
  const url = `/files/${token}`
  return { token, url, thumbUrl: `${url}/thumb`, width, height }
}

export function viewMask({ id, width, height }: Mask): MaskView {
  return { id, url: `/images/masks/${id}`, width, height }
}

function viewJob(
  job: ImageJob,
  pictures: readonly Picture[],
  wait: Wait | null,
  references: ReadonlyMap<string, ReferenceView>,
): Omit<JobView, 'madeBy' | 'batch' | 'usual'> {
  const first = pictures.find(picture => picture.condition !== 'undecodable')
  const original = references.get(job.referenceTokens[0] ?? '')
  const { width, height } = first ?? dimensionsOf(job.size) ?? { width: 1024, height: 1024 }
  return {
    id: job.id,
    state: job.state,
    tag: tagOf(job, wait),
    isOpen: isUnfinished(job),
    model: job.model,
    prompt: job.prompt,
    size: job.size,
    width,
    height,
    quality: job.quality,
    n: job.n,
    format: job.format,
    background: job.background,
    moderation: job.moderation,
    compression: job.compression,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt && (job.madeAt ?? job.finishedAt),
    waitsUntil: wait?.until ?? null,
    waitsFor: wait?.window ?? null,
    slowed: wait?.slowed ?? false,
    atOnce: wait?.atOnce ?? null,
    keyId: job.keyId,
    place: wait?.place ?? null,
    isStarting: wait?.isStarting ?? false,
    parked: job.parkedAt !== null && job.finishedAt === null,
    needsKey: wait?.needsKey ? (job.keyName ?? '') : null,
    missing: wait?.missing ?? null,
    blocked: wait?.blocked ?? null,
    preview:
      job.previewStep === null ? null : { url: `/images/${job.id}/preview/${job.version}`, step: job.previewStep },
    references: job.referenceTokens.map(token => references.get(token)).filter(reference => reference !== undefined),
    maskUrl: job.maskId && `/images/masks/${job.maskId}`,
    otherShape:
      job.maskId !== null &&
      !!original &&
      pictures.some(picture => hasArrived(picture) && !isSameShape(picture, original)),
    pictures: pictures.map(viewPicture),
    unfetched: linksOf(job),
    arrived: pictures.filter(hasArrived).length,
    cancelling: job.state === 'running' && job.cancelRequestedAt !== null,
    safe: safeOf(job),
    failure: viewFailure(job),
    sentences: sentencesOf(endOf(job)),
    money: moneyView(job),
    mayDismiss: pictures.length === 0 && isForNothing(job),
    mayCheck: isInDoubt(job),
    nextSubmission: randomUUID(),
    cost: job.cost,
    estimate: estimateNow(job, pictures),
  }
}

/** What was never sent cost nothing. */
function chargedOf(job: ImageJob): Charged {
  return job.charged ?? (job.calledAt ? 'unknown' : 'no')
}

function endOf(job: ImageJob): Ended {
  const { state, failureReason: reason } = job
  return {
    of: 'picture',
    state: state === 'queued' || state === 'running' ? 'done' : state,
    reason,
    charged: chargedOf(job),
    silence: silenceOf(job),
  }
}

function moneyView(job: ImageJob): MoneyView {
  return moneyOf(chargedOf(job), job.cost, job.evidence)
}

function viewFailure(job: ImageJob): JobFailure | null {
  if (!job.failureReason) return null
  return {
    reason: job.failureReason,
    charged: chargedOf(job),
    detail: job.failureDetail,
    field: job.failureField,
    retryAt: job.retryAt,
    requestId: job.requestId,
  }
}
