import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { failureReasons } from '../gateway/errors.ts'
import type { FormValues, ImageRequest } from './prompt.ts'

const ImageJob = z.object({
  id: z.string(),
  userId: z.number(),
  signInId: z.string().nullable(),
  state: z.enum(['queued', 'running', 'done', 'failed', 'unknown', 'cancelled']),
  version: z.number(),
  model: z.string(),
  prompt: z.string(),
  size: z.string(),
  quality: z.string(),
  n: z.number(),
  format: z.string(),
  compression: z.number().nullable(),
  background: z.string(),
  moderation: z.string(),
  referenceTokens: z.array(z.string()),
  maskId: z.string().nullable(),
  estimate: z.number().nullable(),
  keyId: z.number(),
  keySecret: z.instanceof(Buffer).nullable(),
  callerAddress: z.string(),
  callerUserAgent: z.string(),
  createdAt: z.date(),
  notBefore: z.date().nullable(),
  startedAt: z.date().nullable(),
  finishedAt: z.date().nullable(),
  attempts: z.number(),
  claim: z.string().nullable(),
  calledAt: z.date().nullable(),
  cancelRequestedAt: z.date().nullable(),
  previewStep: z.number().nullable(),
  tokens: z.array(z.string()),
  requestId: z.string().nullable(),
  failureReason: z.enum(failureReasons).nullable(),
  charged: z.enum(['yes', 'no', 'unknown']).nullable(),
  failureDetail: z.string().nullable(),
  failureField: z.string().nullable(),
  retryAt: z.date().nullable(),
  cost: z.number().nullable(),
  costUntil: z.date().nullable(),
})
export type ImageJob = z.output<typeof ImageJob>

/** A job that this process runs: nobody else can while the claim holds. */
const ClaimedJob = ImageJob.extend({ claim: z.string() })
export type ClaimedJob = z.output<typeof ClaimedJob>

// Any two numbers that nothing else locks with.
const CLAIM_LOCK = 741_001
const START_LOCK = 741_002

/** Until the transaction ends, nobody else starts a job of this user: counts stay true. */
export async function lockStarts(tx: Db, userId: number): Promise<void> {
  await tx.run(`select pg_advisory_xact_lock($1, hashint8($2))`, [START_LOCK, userId])
}

export async function countQueued(db: Db, userId: number): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) from image_jobs where user_id = $1 and state = 'queued'`,
    [userId],
  )
  return count
}

export interface NewJob {
  id: string
  userId: number
  submission: string
  signInId: string
  request: ImageRequest
  estimate: number | null
  keyId: number
  keySecret: Buffer
  caller: { address: string; userAgent: string }
}

export function insertJob(db: Db, job: NewJob): Promise<ImageJob> {
  const { request } = job
  return db.one(
    ImageJob,
    `insert into image_jobs (id, user_id, submission, sign_in_id, model, prompt, size, quality, n, format, compression,
       background, moderation, reference_tokens, mask_id, estimate, key_id, key_secret, caller_address,
       caller_user_agent)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) returning *`,
    [
      job.id,
      job.userId,
      job.submission,
      job.signInId,
      request.model,
      request.prompt,
      request.size,
      request.quality,
      request.n,
      request.format,
      request.compression,
      request.background,
      request.moderation,
      request.references,
      request.maskId,
      job.estimate,
      job.keyId,
      job.keySecret,
      job.caller.address,
      job.caller.userAgent,
    ],
  )
}

export function findJob(db: Db, userId: number, jobId: string): Promise<ImageJob | null> {
  return db.maybeOne(ImageJob, `select * from image_jobs where id = $1 and user_id = $2`, [jobId, userId])
}

export function findJobBySubmission(db: Db, userId: number, submission: string): Promise<ImageJob | null> {
  return db.maybeOne(ImageJob, `select * from image_jobs where submission = $2 and user_id = $1`, [userId, submission])
}

export function listJobs(
  db: Db,
  userId: number,
  options: { before: { at: Date; id: string } | null; limit: number },
): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `select * from image_jobs
     where user_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
     order by created_at desc, id desc limit $4`,
    [userId, options.before?.at ?? null, options.before?.id ?? null, options.limit],
  )
}

export function listJobsById(db: Db, userId: number, ids: readonly string[]): Promise<ImageJob[]> {
  return db.many(ImageJob, `select * from image_jobs where user_id = $1 and id = any($2)`, [userId, ids])
}

/** Places in the queue, from 1, in the order of `claimJobs`: everybody's first job, then everybody's second, and so on. */
export async function listPlaces(db: Db, userId: number): Promise<Map<string, number>> {
  const rows = await db.many(
    z.object({ id: z.string(), place: z.number() }),
    `with busy as (select user_id, count(*) as running from image_jobs where state = 'running' group by user_id),
       waiting as (
         select id, user_id, created_at,
           coalesce(running, 0) + row_number() over (partition by user_id order by created_at, id) as turn
         from image_jobs left join busy using (user_id) where state = 'queued'),
       line as (select id, user_id, row_number() over (order by turn, created_at, id) as place from waiting)
     select id, place from line where user_id = $1`,
    [userId],
  )
  return new Map(rows.map(row => [row.id, row.place]))
}

/**
 * Takes up to `slots` queued jobs, one worker at a time so that the limits hold over all processes. Fair: who has the
 * fewest running comes first, then who has waited longest.
 */
export function claimJobs(
  db: Db,
  limits: { slots: number; perUser: number; total: number; leaseSeconds: number },
): Promise<ClaimedJob[]> {
  return db.transaction(async tx => {
    await tx.run(`select pg_advisory_xact_lock($1, 0)`, [CLAIM_LOCK])
    return tx.many(
      ClaimedJob,
      `with busy as (select user_id, count(*) as running from image_jobs where state = 'running' group by user_id),
         waiting as (
           select id, created_at,
             coalesce(running, 0) + row_number() over (partition by user_id order by created_at, id) as turn
           from image_jobs left join busy using (user_id)
           where state = 'queued' and (not_before is null or not_before <= now())),
         next as (
           select id from waiting where turn <= $2 order by turn, created_at, id
           limit greatest(0, least($1, $3 - (select coalesce(sum(running), 0) from busy))))
       update image_jobs set state = 'running', version = version + 1, claim = gen_random_uuid(),
         lease_until = now() + make_interval(secs => $4), attempts = attempts + 1, not_before = null,
         started_at = coalesce(started_at, now())
       where id in (select id from next) and state = 'queued' returning *`,
      [limits.slots, limits.perUser, limits.total, limits.leaseSeconds],
    )
  })
}

/**
 * The last step before the gateway is asked: from here on the job is never sent again by itself. Null when the claim no
 * longer holds or a cancel came first.
 */
export function markCalled(db: Db, job: ClaimedJob, tokens: readonly string[]): Promise<ClaimedJob | null> {
  return db.maybeOne(
    ClaimedJob,
    `update image_jobs set called_at = now(), tokens = $3
     where id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null returning *`,
    [job.id, job.claim, tokens],
  )
}

export async function setTokens(db: Db, job: ClaimedJob, tokens: readonly string[]): Promise<void> {
  await db.run(`update image_jobs set tokens = $3 where id = $1 and claim = $2`, [job.id, job.claim, tokens])
}

export async function setRequestId(db: Db, job: ClaimedJob, requestId: string): Promise<void> {
  await db.run(`update image_jobs set request_id = $3 where id = $1 and claim = $2`, [job.id, job.claim, requestId])
}

/** One more picture of a running job can be shown. */
export async function bumpVersion(db: Db, job: ClaimedJob): Promise<void> {
  await db.run(`update image_jobs set version = version + 1 where id = $1`, [job.id])
}

export async function upsertPreview(db: Db, job: ClaimedJob, step: number, bytes: Buffer): Promise<void> {
  await db.run(
    `with shown as (
       update image_jobs set preview_step = $3, version = version + 1
       where id = $1 and claim = $2 and state = 'running' returning id)
     insert into image_previews (job_id, bytes) select id, $4 from shown
     on conflict (job_id) do update set bytes = excluded.bytes`,
    [job.id, job.claim, step, bytes],
  )
}

export async function findPreview(db: Db, userId: number, jobId: string): Promise<Buffer | null> {
  const row = await db.maybeOne(
    z.object({ bytes: z.instanceof(Buffer) }),
    `select p.bytes from image_previews p join image_jobs j on j.id = p.job_id where j.id = $1 and j.user_id = $2`,
    [jobId, userId],
  )
  return row?.bytes ?? null
}

/** How a job ended. */
export interface Ending {
  state: 'done' | 'failed' | 'unknown' | 'cancelled'
  reason?: ImageJob['failureReason']
  charged: 'yes' | 'no' | 'unknown'
  detail?: string | null | undefined
  field?: string | null | undefined
  retryAt?: Date | null | undefined
  requestId?: string | null | undefined
}

/**
 * Ends a job and erases its key. A worker that was thought dead may still tell better than `unknown`: its claim stays
 * on the row. Null when the claim does not hold.
 */
export function finishJob(db: Db, job: ClaimedJob, ending: Ending): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `with preview as (delete from image_previews where job_id = $1)
     update image_jobs set state = $3, version = version + 1, finished_at = now(), key_secret = null, tokens = '{}',
       lease_until = null, preview_step = null, failure_reason = $4, charged = $5, failure_detail = $6,
       failure_field = $7, retry_at = $8, request_id = coalesce($9, request_id),
       cost_until = case when called_at is not null and $5 <> 'no' then now() + interval '40 seconds' end
     where id = $1 and claim = $2 and state in ('running', 'unknown') returning *`,
    [
      job.id,
      job.claim,
      ending.state,
      ending.reason ?? null,
      ending.charged,
      ending.detail ?? null,
      ending.field ?? null,
      ending.retryAt ?? null,
      ending.requestId ?? null,
    ],
  )
}

/** Back into the queue: the gateway proved that nothing was charged and said when to come again. */
export function requeueJob(db: Db, job: ClaimedJob, notBefore: Date): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set state = 'queued', version = version + 1, claim = null, lease_until = null, called_at = null,
       tokens = '{}', not_before = $3
     where id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null returning *`,
    [job.id, job.claim, notBefore],
  )
}

export function cancelQueued(db: Db, userId: number, jobId: string): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set state = 'cancelled', version = version + 1, finished_at = now(), key_secret = null,
       charged = 'no'
     where id = $1 and user_id = $2 and state = 'queued' returning *`,
    [jobId, userId],
  )
}

export function requestCancel(db: Db, userId: number, jobId: string): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set cancel_requested_at = coalesce(cancel_requested_at, now()), version = version + 1
     where id = $1 and user_id = $2 and state = 'running' returning *`,
    [jobId, userId],
  )
}

export async function listCancelRequested(db: Db, jobIds: readonly string[]): Promise<string[]> {
  const rows = await db.many(
    z.object({ id: z.string() }),
    `select id from image_jobs where id = any($1) and cancel_requested_at is not null`,
    [jobIds],
  )
  return rows.map(row => row.id)
}

export async function extendLeases(db: Db, claims: readonly string[], leaseSeconds: number): Promise<void> {
  await db.run(
    `update image_jobs set lease_until = now() + make_interval(secs => $2)
     where claim = any($1::uuid[]) and state = 'running'`,
    [claims, leaseSeconds],
  )
}

/** Running jobs whose worker has not been heard of: claimed anew, by whoever ends them. */
export function claimAbandoned(db: Db, leaseSeconds: number): Promise<ClaimedJob[]> {
  return db.many(
    ClaimedJob,
    `update image_jobs set lease_until = now() + make_interval(secs => $1)
     where id in (select id from image_jobs where state = 'running' and lease_until < now() limit 100 for update skip locked)
     returning *`,
    [leaseSeconds],
  )
}

/** Nothing was sent yet, so it may simply be run again. */
export async function requeueUnsent(db: Db, job: ClaimedJob): Promise<boolean> {
  const changed = await db.run(
    `update image_jobs set state = 'queued', version = version + 1, claim = null, lease_until = null
     where id = $1 and claim = $2 and state = 'running' and called_at is null and cancel_requested_at is null`,
    [job.id, job.claim],
  )
  return changed === 1
}

export function listJobsForCost(db: Db, jobIds: readonly string[]): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `select * from image_jobs where id = any($1) and cost is null and finished_at is not null and request_id is not null`,
    [jobIds],
  )
}

/** The gateway's usage row was found: it is proof of the charge. */
export async function setCost(db: Db, jobId: string, cost: number): Promise<void> {
  await db.run(
    `update image_jobs set cost = $2, cost_until = null, charged = 'yes', version = version + 1 where id = $1`,
    [jobId, cost],
  )
}

export async function findDraft(db: Db, userId: number): Promise<unknown> {
  const row = await db.maybeOne(z.object({ form: z.unknown() }), `select form from image_drafts where user_id = $1`, [
    userId,
  ])
  return row?.form ?? null
}

export async function upsertDraft(db: Db, userId: number, form: FormValues): Promise<void> {
  await db.run(
    `insert into image_drafts (user_id, form) values ($1, $2)
     on conflict (user_id) do update set form = $2, updated_at = now()`,
    [userId, JSON.stringify(form)],
  )
}

/** Those a page goes on asking about: not ended yet, or ended with the cost still to come. */
export function listUnfinished(db: Db, userId: number, limit: number): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `select * from image_jobs where user_id = $1
       and (state in ('queued', 'running') or (cost is null and cost_until > now()))
     order by created_at desc, id desc limit $2`,
    [userId, limit],
  )
}

const Mask = z.object({ id: z.string(), width: z.number(), height: z.number(), bytes: z.instanceof(Buffer) })
export type Mask = z.output<typeof Mask>

export async function insertMask(db: Db, userId: number, mask: Omit<Mask, 'id'>): Promise<string> {
  const { id } = await db.one(
    z.object({ id: z.string() }),
    `insert into image_masks (user_id, width, height, bytes) values ($1, $2, $3, $4) returning id`,
    [userId, mask.width, mask.height, mask.bytes],
  )
  return id
}

export function findMask(db: Db, userId: number, maskId: string): Promise<Mask | null> {
  return db.maybeOne(Mask, `select * from image_masks where id = $1 and user_id = $2`, [maskId, userId])
}

/** Those that were painted but never used. */
export function deleteUnusedMasks(db: Db): Promise<number> {
  return db.run(
    `delete from image_masks m where created_at < now() - interval '1 day'
       and not exists (select from image_jobs j where j.mask_id = m.id)`,
  )
}
