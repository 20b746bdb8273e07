import type { Deps } from '../deps.ts'
import type { ImageJob } from '../images/job-queries.ts'
import { describeJob, estimateNow, safeOf } from '../images/job-view.ts'
import { waitsOf } from '../images/line.ts'
import type { Wait } from '../images/line-queries.ts'
import { linksOf } from '../images/unfetched.ts'
import { usualOfJobs } from '../images/usual.ts'
import { contentTypeOf } from '../library/formats.ts'
import { hasArrived, listPicturesOfJobs, type Picture } from '../library/queries.ts'
import { viewNewest } from '../spend/receipt-view.ts'
import type { ReceiptView } from '../spend/view.ts'
import type { Translate } from '../web/i18n.ts'
import type { TaskAnswer, TaskStatus } from './schemas.ts'
import { listTasks } from './task-queries.ts'

const statuses: Record<ImageJob['state'], TaskStatus> = {
  queued: 'queued',
  running: 'processing',
  done: 'completed',
  failed: 'failed',
  unknown: 'failed',
  cancelled: 'failed',
}

/** The states that clients know as this status. */
export function statesOf(status: TaskStatus): ImageJob['state'][] {
  return (Object.keys(statuses) as ImageJob['state'][]).filter(state => statuses[state] === status)
}

export function statusOf(job: Pick<ImageJob, 'state'>): TaskStatus {
  return statuses[job.state]
}

/** Jobs of one SSH key as its clients see them. */
export async function viewTasks(
  deps: Pick<Deps, 'db' | 'config'>,
  owner: { id: string; userId: number },
  jobs: readonly ImageJob[],
  t: Translate,
): Promise<TaskAnswer[]> {
  if (jobs.length === 0) return []
  const ids = jobs.map(job => job.id)
  const [all, tasks, waits, receipts, usual] = await Promise.all([
    listPicturesOfJobs(deps.db, owner.userId, ids),
    listTasks(deps.db, owner.id, ids),
    waitsOf(deps.db, owner.userId, jobs),
    viewNewest(deps.db, owner.userId, 'picture', ids),
    usualOfJobs(deps.db, owner.userId, jobs),
  ])
  const byJob = Map.groupBy(all, picture => picture.jobId)
  const conversations = new Map(tasks.map(task => [task.jobId, task.conversationId]))
  const origin = deps.config.publicOrigin ?? ''
  return jobs.map(job => {
    const pictures = byJob.get(job.id) ?? []
    const arrived = pictures.filter(hasArrived).length
    const images = imagesOf(job, pictures, origin)
    return {
      task_id: job.id,
      status: statusOf(job),
      conversation_id: conversations.get(job.id) ?? null,
      mode: job.referenceTokens.length > 0 ? 'edit' : 'generate',
      prompt: job.prompt,
      size: job.size,
      created_at: job.createdAt.toISOString(),
      updated_at: (job.finishedAt ?? job.startedAt ?? job.createdAt).toISOString(),
      error: errorOf(job, arrived, t),
      result: job.state === 'done' ? { images: images.filter(hasArrived) } : null,
      state: job.state,
      failure: job.failureReason,
      charged: job.charged,
      progress: { pictures: arrived, of: job.n, preview: job.previewStep },
      model: job.model,
      quality: job.quality,
      n: job.n,
      estimate: estimateNow(job, pictures),
      estimate_stale: job.estimateStale,
      usual_seconds: usual.get(job.id) ?? null,
      cost: job.cost,
      receipt: receiptOf(receipts.get(job.id)),
      ...waitOf(job, waits.get(job.id)),
      kept: job.finishedAt ? images : [],
      unfetched: linksOf(job).map(({ url }) => url),
    }
  })
}

function receiptOf(receipt?: ReceiptView): TaskAnswer['receipt'] {
  if (!receipt) return null
  const { id, verdict, asked, delivered, billed } = receipt
  const { size, quality, n, tier, usd } = asked
  return {
    id,
    verdict,
    asked: { size, quality, n, tier, usd },
    delivered: delivered && {
      n: delivered.n,
      damaged: delivered.damaged,
      sizes: delivered.sizes,
      tier: delivered.tier,
    },
    billed,
  }
}

/** By its number as it was made; null when it never was, or is in the trash. */
export async function findTaskPicture(db: Deps['db'], job: ImageJob, index: number): Promise<Picture | null> {
  const pictures = await listPicturesOfJobs(db, job.userId, [job.id])
  return pictures.find(({ position, deletedAt }) => position === index && deletedAt === null) ?? null
}

/** All that can be downloaded. */
function imagesOf(job: ImageJob, pictures: readonly Picture[], origin: string): TaskAnswer['kept'] {
  const task = `${origin}/api/playground/ssh/tasks/${job.id}`
  return pictures
    .filter(({ deletedAt }) => deletedAt === null)
    .map(picture => ({
      id: picture.id,
      index: picture.position,
      prompt: job.prompt,
      size: `${picture.width}x${picture.height}`,
      data_url: null,
      mime_type: contentTypeOf(picture.format),
      remote_url: null,
      image_url: `${task}/download?index=${picture.position}`,
      condition: picture.condition,
      original_url: picture.originalFormat && `${task}/download?index=${picture.position}&original=1`,
      original_mime_type: picture.originalFormat && contentTypeOf(picture.originalFormat),
      returned: picture.returned,
      revised_prompt: picture.revisedPrompt || null,
    }))
}

function waitOf(job: ImageJob, wait?: Wait): Pick<TaskAnswer, 'waiting' | 'retry_at'> {
  if (safeOf(job)) return { waiting: 'store', retry_at: null }
  if (wait?.missing != null && !wait.until) return { waiting: 'balance', retry_at: null }
  if (wait?.blocked) return { waiting: wait.blocked, retry_at: null }
  if (!wait?.until) return { waiting: wait?.atOnce ? 'key_concurrency' : null, retry_at: null }
  return { waiting: wait.window ? `key_window_${wait.window}` : 'gateway', retry_at: wait.until.toISOString() }
}

/** Of a completed task: what it lost. */
function errorOf(job: ImageJob, arrived: number, t: Translate): string | null {
  const status = statusOf(job)
  if (status === 'failed') return describeJob(job, t)
  if (status !== 'completed' || arrived >= job.n) return null
  const counts = { done: arrived, n: job.n }
  return job.failureReason ? t('images.missing', { ...counts, reason: describeJob(job, t) }) : t('images.fewer', counts)
}
