import { z } from 'zod'
import { Prices } from '../account/prices.ts'
import type { Db } from '../db/db.ts'
import { Told } from '../gateway/told.ts'
import { Asked } from '../models/asked.ts'
import { Evidence, type Verdict } from '../spend/evidence.ts'
import { paidCall } from '../work/paid-call.ts'
import { isTold } from './line-queries.ts'
import type { NewJob } from './start-queries.ts'

/** Where the gateway says that a picture is, which could not be fetched from there. */
export const Unfetched = z.object({ position: z.number(), address: z.string(), told: Told.optional() })
export type Unfetched = z.output<typeof Unfetched>

export const ImageJob = z.object({
  ...paidCall,
  id: z.string(),
  state: z.enum(['queued', 'running', 'done', 'failed', 'unknown', 'cancelled']),
  ...Asked.shape,
  prompt: z.string(),
  referenceTokens: z.array(z.string()),
  maskId: z.string().nullable(),
  /** Previews asked for; 0: not streamed. Null before the call. */
  previews: z.number().nullable(),
  estimate: z.number().nullable(),
  estimateStale: z.boolean(),
  dearest: z.number().nullable(),
  fromBalance: z.boolean(),
  /** The price list that the estimate was made from. */
  prices: Prices.nullable(),
  /** Of the SSH key that asked, if it was not a person in a browser. */
  sshKeyId: z.string().nullable(),
  sshKeyName: z.string().nullable(),
  keyId: z.number(),
  createdAt: z.date(),
  previewStep: z.number().nullable(),
  tokens: z.array(z.string()),
  leaseUntil: z.date().nullable(),
  spilledBy: z.string().nullable(),
  madeAt: z.date().nullable(),
  failureField: z.string().nullable(),
  costUntil: z.date().nullable(),
  batchId: z.string().nullable(),
  /** That it was asked for in. */
  conversationId: z.string().nullable(),
  conversationTitle: z.string().nullable(),
  /** Key of the button that asked for it again. */
  form: z.string().nullable(),
  evidence: Evidence.nullable(),
  unfetched: z.array(Unfetched),
  /** Whoever asked for it acts on its end. */
  tellsEnd: z.boolean(),
})
export type ImageJob = z.output<typeof ImageJob>

/** What tells a tile from what it was a moment ago. */
export const JobPulse = ImageJob.pick({
  id: true,
  state: true,
  version: true,
  createdAt: true,
  leaseUntil: true,
  spilledBy: true,
  madeAt: true,
  cost: true,
  costUntil: true,
})
export type JobPulse = z.output<typeof JobPulse>

export function findJob(db: Db, userId: number, jobId: string): Promise<ImageJob | null> {
  return db.maybeOne(ImageJob, `select * from image_jobs where id = $1 and user_id = $2`, [jobId, userId])
}

export function findJobBySubmission(db: Db, userId: number, submission: string): Promise<ImageJob | null> {
  return db.maybeOne(ImageJob, `select * from image_jobs where submission = $2 and user_id = $1`, [userId, submission])
}

/** The newest of those asked for after this one, newest first; null: after none at all. */
export function listJobsAfter(
  db: Db,
  userId: number,
  after: { at: Date; id: string } | null,
  limit: number,
): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `select * from image_jobs
     where user_id = $1 and dismissed_at is null and ($2::timestamptz is null or (created_at, id) > ($2, $3::uuid))
     order by created_at desc, id desc limit $4`,
    [userId, after?.at ?? null, after?.id ?? null, limit],
  )
}

export function listJobsById(db: Db, userId: number, ids: readonly string[]): Promise<ImageJob[]> {
  return db.many(ImageJob, `select * from image_jobs where user_id = $1 and id = any($2)`, [userId, ids])
}

// For a window of it, be it that another of its key has been told, or for one that works.
const awaitsKey = `(key_looked_at is not null or waits_for is not null or exists (
  select from image_jobs told where told.key_id = image_jobs.key_id and told.waits_for is not null and ${isTold}))`

/** For a job that waits for its key: another one of the same person pays. Null when it does not wait any more. */
export function changeKey(
  db: Db,
  job: ImageJob,
  key: Pick<
    NewJob,
    | 'keyId'
    | 'keyName'
    | 'keyGroup'
    | 'keySecret'
    | 'fromBalance'
    | 'estimate'
    | 'estimateStale'
    | 'dearest'
    | 'prices'
    | 'waits'
  >,
): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set key_id = $3, key_secret = $4, estimate = $5, estimate_stale = $6, waits_for = $7,
       not_before = $8, key_name = $9, key_group = $10, dearest = $11, from_balance = $12, prices = $13, retry_at = null,
       key_looked_at = null, version = version + 1
     where id = $1 and user_id = $2 and state = 'queued' and ${awaitsKey} and ssh_key_id is null returning *`,
    [
      job.id,
      job.userId,
      key.keyId,
      key.keySecret,
      key.estimate,
      key.estimateStale,
      key.waits?.for ?? null,
      key.waits?.until ?? null,
      key.keyName,
      key.keyGroup,
      key.dearest,
      key.fromBalance,
      key.prices && JSON.stringify(key.prices),
    ],
  )
}

/** A window of the key has opened before its time: nothing waits for it any more. Those that did. */
export async function releaseWindow(db: Db, userId: number, keyId: number): Promise<void> {
  await db.run(
    `update image_jobs set not_before = null, retry_at = null, waits_for = null, version = version + 1
     where key_id = $2 and user_id = $1 and state = 'queued' and waits_for is not null`,
    [userId, keyId],
  )
}

/** From now on its end is told. */
export function setTellsEnd(tx: Db, job: ImageJob): Promise<ImageJob> {
  return tx.one(ImageJob, `update image_jobs set tells_end = true where id = $1 and user_id = $2 returning *`, [
    job.id,
    job.userId,
  ])
}

/** A queued job ends at once; the worker of a running one is told, and ends it. Null when it has ended, or all is made. */
export function cancelJob(db: Db, userId: number, jobId: string): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set version = version + 1, cancel_requested_at = coalesce(cancel_requested_at, now()),
       state = case state when 'queued' then 'cancelled' else state end,
       finished_at = case state when 'queued' then now() end,
       charged = case when state <> 'queued' then null when parked_at is null then 'no' else 'unknown' end,
       key_secret = case state when 'queued' then null else key_secret end
     where id = $1 and user_id = $2 and state in ('queued', 'running') and made_at is null returning *`,
    [jobId, userId],
  )
}

/**
 * What waits of a batch, or of what an SSH key asked for, ends; what runs is brought home, but not sent (again) any
 * more. Under `claimsLock`.
 */
export async function withdrawJobs(
  tx: Db,
  userId: number,
  of: { batchId: string } | { sshKeyId: string },
): Promise<void> {
  const [column, id] = 'batchId' in of ? ['batch_id', of.batchId] : ['ssh_key_id', of.sshKeyId]
  await tx.run(
    `update image_jobs set withdrawn_at = now(), version = version + 1,
       state = case state when 'queued' then 'cancelled' else state end,
       finished_at = case state when 'queued' then now() end,
       charged = case when state <> 'queued' then null when parked_at is null then 'no' else 'unknown' end,
       key_secret = case state when 'running' then key_secret end
     where user_id = $1 and ${column} = $2 and state in ('queued', 'running')`,
    [userId, id],
  )
}

/** What was found out about the money for a job. */
export async function setVerdict(tx: Db, userId: number, jobId: string, verdict: Verdict): Promise<void> {
  const { charged, amount, evidence } = verdict
  await tx.run(
    `update image_jobs set charged = $3, cost = coalesce($4, cost), evidence = coalesce($5, evidence),
       version = version + 1, cost_until = case when $3 = 'unknown' then cost_until end
     where id = $1 and user_id = $2`,
    [jobId, userId, charged, amount, evidence && JSON.stringify(evidence)],
  )
}

/** The pictures of the job show something new. */
export async function touchJob(db: Db, userId: number, jobId: string): Promise<void> {
  await db.run(`update image_jobs set version = version + 1 where id = $1 and user_id = $2`, [jobId, userId])
}

/** These are gone for good, and so is what they were called. */
export async function forgetConversations(tx: Db, ids: readonly string[]): Promise<void> {
  await tx.run(`update image_jobs set conversation_title = null where conversation_id = any($1::uuid[])`, [ids])
}
