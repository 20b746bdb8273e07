import type { Job, PgBoss } from 'pg-boss'
import type { Db } from '../db/db.ts'
import type { Logger } from '../log.ts'

/** Queue name → payload. A payload holds ids only: what a job needs is on its row, which is the authority. */
export interface Queues {
  /** Measures what an edit with a mask changed outside it. */
  'image-outside': { jobId: string; userId: number }
  /** Deletes what has expired; once an hour. */
  housekeeping: Record<string, never>
}
export type QueueName = keyof Queues

const queues = {
  'image-outside': { notify: true, retryLimit: 2, retryDelay: 5, expireInSeconds: 120, deleteAfterSeconds: 3600 },
  housekeeping: { notify: false, retryLimit: 0, expireInSeconds: 600, deleteAfterSeconds: 3600 },
} as const

export interface Jobs {
  /** Inside the caller's transaction: row and message commit together. */
  send<Q extends QueueName>(
    tx: Db,
    queue: Q,
    payload: Queues[Q],
    options?: { startAfterSeconds?: number },
  ): Promise<void>
  /** `handler` gets what waits, at most `batch` at once; throwing sends it back for the queue's retries. */
  work<Q extends QueueName>(
    queue: Q,
    options: { batch: number; pollSeconds: number },
    handler: (payloads: Queues[Q][]) => Promise<void>,
  ): Promise<void>
  schedule<Q extends QueueName>(queue: Q, cron: string, payload: Queues[Q]): Promise<void>
  stop(): Promise<void>
}

/**
 * The queue, begun in the background when it is first needed: nobody waits for it before; tried again by whoever needs it
 * next when it could not begin, and not begun any more once it was stopped. Only a process that `works` listens, supervises
 * and schedules.
 */
export function openJobs(options: { url: string; works: boolean; log: Logger }): Jobs {
  let begun: Promise<PgBoss> | null = null
  let isStopped = false
  const begin = async () => {
    if (isStopped) throw new Error('the queue has been stopped')
    begun ??= startBoss(options).catch(error => {
      begun = null
      throw error
    })
    return begun
  }
  return {
    async send(tx, queue, payload, { startAfterSeconds } = {}) {
      const startAfter = startAfterSeconds === undefined ? {} : { startAfter: startAfterSeconds }
      await (await begin()).send(queue, payload, { ...startAfter, db: tx })
    },
    async work(queue, { batch, pollSeconds }, handler) {
      const polling = { pollingIntervalSeconds: pollSeconds, notifyPollingIntervalSeconds: Math.max(pollSeconds, 5) }
      await (await begin()).work(queue, { batchSize: batch, ...polling }, (jobs: Job<Queues[typeof queue]>[]) =>
        handler(jobs.map(job => job.data)),
      )
    },
    async schedule(queue, cron, payload) {
      await (await begin()).schedule(queue, cron, payload)
    },
    async stop() {
      isStopped = true
      const boss = await begun?.catch(() => null)
      await boss?.stop({ graceful: true, timeout: 5_000 })
    },
  }
}

async function startBoss({ url, works, log }: { url: string; works: boolean; log: Logger }): Promise<PgBoss> {
  const { PgBoss } = await import('pg-boss')
  const boss = new PgBoss({
    connectionString: url,
    application_name: 'sub2api-playground jobs',
    max: 3,
    supervise: works,
    schedule: works,
    useListenNotify: works,
  })
  boss.on('error', error => log.warn({ err: error }, 'queue'))
  boss.on('warning', warning => log.warn({ warning }, 'queue'))
  try {
    await boss.start()
    await makeQueues(boss)
    return boss
  } catch (error) {
    // Half begun it would go on by itself, and keep the process from its end.
    await boss.stop({ graceful: false }).catch(() => undefined)
    throw error
  }
}

async function makeQueues(boss: PgBoss): Promise<void> {
  const known = new Set((await boss.getQueues()).map(queue => queue.name))
  for (const [name, settings] of Object.entries(queues)) {
    // createQueue leaves an existing queue as it is.
    if (known.has(name)) await boss.updateQueue(name, settings)
    else await boss.createQueue(name, settings)
  }
}
