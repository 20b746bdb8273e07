import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { ImageJob } from './job-queries.ts'

export const Batch = z.object({
  id: z.string(),
  userId: z.number(),
  state: z.enum(['running', 'paused']),
  version: z.number(),
  createdAt: z.date(),
})
export type Batch = z.output<typeof Batch>

export function insertBatch(db: Db, batch: { id: string; userId: number; submission: string }): Promise<Batch> {
  return db.one(Batch, `insert into image_batches (id, user_id, submission) values ($1, $2, $3) returning *`, [
    batch.id,
    batch.userId,
    batch.submission,
  ])
}

export function findBatch(db: Db, userId: number, batchId: string): Promise<Batch | null> {
  return db.maybeOne(Batch, `select * from image_batches where id = $1 and user_id = $2`, [batchId, userId])
}

export function findBatchBySubmission(db: Db, userId: number, submission: string): Promise<Batch | null> {
  return db.maybeOne(Batch, `select * from image_batches where submission = $2 and user_id = $1`, [userId, submission])
}

/** Of the batches with these ids, those that are paused. */
export async function listPaused(db: Db, userId: number, batchIds: readonly string[]): Promise<string[]> {
  const rows = await db.many(
    z.object({ id: z.string() }),
    `select id from image_batches where user_id = $1 and id = any($2) and state = 'paused'`,
    [userId, batchIds],
  )
  return rows.map(row => row.id)
}

/** In the order of the lines. */
export function listJobsOfBatch(db: Db, batch: Batch): Promise<ImageJob[]> {
  return db.many(ImageJob, `select * from image_jobs where batch_id = $1 and user_id = $2 order by batch_line`, [
    batch.id,
    batch.userId,
  ])
}

/** Every tile of the batch that waits shows the change. Under `claimsLock`: after it nothing of a paused batch starts. */
export async function setBatchState(tx: Db, batch: Batch, state: Batch['state']): Promise<Batch> {
  await tx.run(`update image_jobs set version = version + 1 where batch_id = $1 and state = 'queued'`, [batch.id])
  return tx.one(Batch, `update image_batches set state = $2, version = version + 1 where id = $1 returning *`, [
    batch.id,
    state,
  ])
}
