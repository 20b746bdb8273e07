import type { Deps } from '../deps.ts'
import { describeJob, safeOf } from '../images/job-view.ts'
import type { ImageJob } from '../images/queries.ts'
import { listPicturesOfJobs, type Picture } from '../library/queries.ts'
import type { Translate } from '../web/i18n.ts'
import * as queries from './queries.ts'
import type { TaskAnswer, TaskStatus } from './schemas.ts'

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
  const [pictures, tasks] = await Promise.all([
    listPicturesOfJobs(deps.db, owner.userId, ids),
    queries.listTasks(deps.db, owner.id, ids),
  ])
  const byJob = Map.groupBy(pictures, picture => picture.jobId)
  const conversations = new Map(tasks.map(task => [task.jobId, task.conversationId]))
  const origin = deps.config.publicOrigin ?? ''
  return jobs.map(job => {
    const arrived = byJob.get(job.id) ?? []
    return {
      task_id: job.id,
      status: statusOf(job),
      conversation_id: conversations.get(job.id) ?? null,
      mode: job.referenceTokens.length > 0 ? 'edit' : 'generate',
      prompt: job.prompt,
      size: job.size,
      created_at: job.createdAt.toISOString(),
      updated_at: (job.finishedAt ?? job.startedAt ?? job.createdAt).toISOString(),
      error: errorOf(job, t),
      result: job.state === 'done' ? { images: imagesOf(job, arrived, origin) } : null,
      state: job.state,
      failure: job.failureReason,
      charged: job.charged,
      progress: { pictures: arrived.length, of: job.n, preview: job.previewStep },
      model: job.model,
      quality: job.quality,
      n: job.n,
      estimate: job.estimate,
      estimate_stale: job.estimateStale,
      cost: job.cost,
      ...waitOf(job),
    }
  })
}

/** The pictures that a task gives, by their index: those not in the trash. */
export async function listTaskPictures(db: Deps['db'], job: ImageJob): Promise<Picture[]> {
  return kept(await listPicturesOfJobs(db, job.userId, [job.id]))
}

function imagesOf(job: ImageJob, pictures: readonly Picture[], origin: string) {
  return kept(pictures).map((picture, index) => ({
    id: picture.id,
    prompt: job.prompt,
    size: `${picture.width}x${picture.height}`,
    data_url: null,
    mime_type: `image/${picture.format}`,
    remote_url: null,
    image_url: `${origin}/api/playground/ssh/tasks/${job.id}/download?index=${index}`,
  }))
}

function kept(pictures: readonly Picture[]): Picture[] {
  return pictures.filter(picture => picture.deletedAt === null)
}

function waitOf(job: ImageJob): Pick<TaskAnswer, 'waiting' | 'retry_at'> {
  const { state, notBefore, waitsFor } = job
  if (safeOf(job)) return { waiting: 'store', retry_at: null }
  if (state !== 'queued' || !notBefore || notBefore <= new Date()) return { waiting: null, retry_at: null }
  return { waiting: waitsFor ? `key_window_${waitsFor}` : 'gateway', retry_at: notBefore.toISOString() }
}

function errorOf(job: ImageJob, t: Translate): string | null {
  if (statusOf(job) !== 'failed') return null
  return describeJob(job, t)
}
