import type { Db } from '../db/db.ts'
import { listQueued } from './admin-queries.ts'
import { tellEnd } from './ended.ts'
import { cancelJob } from './job-queries.ts'

/** What of a person waits ends; what runs goes on. How many those were. */
export async function stopWaitingJobs(tx: Db, userId: number): Promise<number> {
  let stopped = 0
  for (const { id } of await listQueued(tx, userId)) {
    const job = await cancelJob(tx, userId, id)
    if (!job) continue
    stopped++
    await tellEnd(tx, job)
  }
  return stopped
}
