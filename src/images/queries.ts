import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfAll, lockOfPerson } from '../db/locks.ts'
import { failureReasons } from '../gateway/errors.ts'
import { type WindowName, windowNames } from '../gateway/windows.ts'
import { Evidence, type Verdict } from '../spend/evidence.ts'
import type { FormValues, ImageRequest } from './prompt.ts'
import type { Blockage } from './readiness-queries.ts'

/** Where the gateway says that a picture is, which could not be fetched from there. */
const Unfetched = z.object({ position: z.number(), address: z.string() })
export type Unfetched = z.output<typeof Unfetched>

export const ImageJob = z.object({
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
  /** Previews asked for; 0: not streamed. Null before the call. */
  previews: z.number().nullable(),
  estimate: z.number().nullable(),
  estimateStale: z.boolean(),
  /** Of the SSH key that asked, if it was not a person in a browser. */
  sshKeyId: z.string().nullable(),
  keyId: z.number(),
  keySecret: z.instanceof(Buffer).nullable(),
  callerAddress: z.string(),
  callerUserAgent: z.string(),
  createdAt: z.date(),
  notBefore: z.date().nullable(),
  /** The window of its key that `notBefore` is the end of. */
  waitsFor: z.enum(windowNames).nullable(),
  startedAt: z.date().nullable(),
  finishedAt: z.date().nullable(),
  attempts: z.number(),
  claim: z.string().nullable(),
  calledAt: z.date().nullable(),
  cancelRequestedAt: z.date().nullable(),
  previewStep: z.number().nullable(),
  tokens: z.array(z.string()),
  leaseUntil: z.date().nullable(),
  spilledBy: z.string().nullable(),
  madeAt: z.date().nullable(),
  requestId: z.string().nullable(),
  failureReason: z.enum(failureReasons).nullable(),
  charged: z.enum(['yes', 'no', 'unknown']).nullable(),
  failureDetail: z.string().nullable(),
  failureField: z.string().nullable(),
  retryAt: z.date().nullable(),
  cost: z.number().nullable(),
  costUntil: z.date().nullable(),
  batchId: z.string().nullable(),
  /** Key of the button that asked for it again. */
  form: z.string().nullable(),
  evidence: Evidence.nullable(),
  unfetched: z.array(Unfetched),
})
export type ImageJob = z.output<typeof ImageJob>

/** A job that this process runs: nobody else can while the claim holds. */
export const ClaimedJob = ImageJob.extend({ claim: z.string() })
export type ClaimedJob = z.output<typeof ClaimedJob>

// How long the usage row of a call is looked for. Where it decides whether anything was charged: as long as the gateway
// may go on working on a call that we left.
const COST_SECONDS = 60
const VERDICT_SECONDS = 20 * 60

// What was made and waits for the store keeps nobody's next picture waiting.
const busy = `select user_id, count(*) as running from image_jobs where state = 'running' and made_at is null group by user_id`

const CLAIM_LOCK = 741_001

/** Whoever has it is alone in starting jobs of this user: counts stay true. */
export const startsLock = lockOfPerson('starts', 741_002)

/** Whoever has it knows that no worker claims anything meanwhile. */
export const claimsLock = lockOfAll('claims', CLAIM_LOCK)

export async function countQueued(db: Db, userId: number): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) from image_jobs where user_id = $1 and state = 'queued'`,
    [userId],
  )
  return count
}

interface NewJob {
  id: string
  userId: number
  submission: string
  signInId: string | null
  sshKeyId: string | null
  request: ImageRequest
  estimate: number | null
  /** The price could not be checked. */
  estimateStale: boolean
  /** A window of the key is full. */
  waits: { for: WindowName; until: Date } | null
  keyId: number
  keySecret: Buffer
  caller: { address: string; userAgent: string }
  batch: { id: string; line: number } | null
  form: string | null
}

export function insertJob(db: Db, job: NewJob): Promise<ImageJob> {
  const { request } = job
  return db.one(
    ImageJob,
    `insert into image_jobs (id, user_id, submission, sign_in_id, model, prompt, size, quality, n, format, compression,
       background, moderation, reference_tokens, mask_id, estimate, key_id, key_secret, caller_address,
       caller_user_agent, ssh_key_id, batch_id, batch_line, estimate_stale, waits_for, not_before, form)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
       $23, $24, $25, $26, $27)
     returning *`,
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
      job.sshKeyId,
      job.batch?.id ?? null,
      job.batch?.line ?? null,
      job.estimateStale,
      job.waits?.for ?? null,
      job.waits?.until ?? null,
      job.form,
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
     where user_id = $1 and ($2::timestamptz is null or (created_at, id) > ($2, $3::uuid))
     order by created_at desc, id desc limit $4`,
    [userId, after?.at ?? null, after?.id ?? null, limit],
  )
}

export function listJobsById(db: Db, userId: number, ids: readonly string[]): Promise<ImageJob[]> {
  return db.many(ImageJob, `select * from image_jobs where user_id = $1 and id = any($2)`, [userId, ids])
}

// Told to come again later, a key is not used for other jobs before that either. A limit that is used up is no such
// wait: each job is told of it, and ends.
const isTold = `told.retry_at > now() and coalesce(told.failure_reason, '') not in ('key_quota', 'account_quota', 'subscription')`
const keyMayBeUsed = `not exists (select from image_jobs told where told.key_id = image_jobs.key_id and ${isTold})`

// What waits for its time, for its key's, or for its batch to go on, is passed over.
const claimable = `state = 'queued' and (not_before is null or not_before <= now()) and ${keyMayBeUsed}
  and not exists (select from image_batches b where b.id = image_jobs.batch_id and b.state = 'paused')`

/** Places are told up to this one. */
export const LINE_LENGTH = 99

export interface Wait {
  /**
   * In the queue, from 1, or one above `LINE_LENGTH` for whatever stands behind; null for what waits for its time or for
   * its batch, or has just come.
   */
  place: number | null
  /** Nothing is sent before: the gateway told the job, or another of its key, to come again then. */
  until: Date | null
  /** The window of its key that opens then, if it is that. */
  window: WindowName | null
  /** Why nothing that stands in line is begun. */
  blocked: Blockage | null
}

/** The front of the line, in the order of `claimJobs`: everybody's first job, then everybody's second, and so on. */
export function listLine(db: Db): Promise<{ id: string; place: number }[]> {
  return db.many(
    z.object({ id: z.string(), place: z.number() }),
    `with busy as (${busy}),
       waiting as (
         select id, created_at,
           coalesce(running, 0) + row_number() over (partition by user_id order by created_at, id) as turn
         from image_jobs left join busy using (user_id)
         where ${claimable})
     select id, row_number() over (order by turn, created_at, id) as place from waiting
     order by turn, created_at, id limit $1`,
    [LINE_LENGTH],
  )
}

const QueuedJob = z.object({
  id: z.string(),
  until: z.date().nullable(),
  window: z.enum(windowNames).nullable(),
  inLine: z.boolean(),
})

/** Of these jobs, those that are queued: whether they stand in line, or until when they wait for something else. */
export function listWaits(db: Db, userId: number, ids: readonly string[]): Promise<z.output<typeof QueuedJob>[]> {
  return db.many(
    QueuedJob,
    `select id, until, opens as window, (${claimable}) as in_line from image_jobs left join lateral (
       select until, opens from (
         select image_jobs.not_before, image_jobs.waits_for
         union all select told.retry_at, told.waits_for from image_jobs told
           where told.key_id = image_jobs.key_id and ${isTold}) times (until, opens)
       where until > now() order by until desc, opens limit 1) wait on true
     where user_id = $1 and id = any($2) and state = 'queued'`,
    [userId, ids],
  )
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
      `with busy as (${busy}),
         waiting as (
           select id, created_at,
             coalesce(running, 0) + row_number() over (partition by user_id order by created_at, id) as turn
           from image_jobs left join busy using (user_id)
           where ${claimable}),
         next as (
           select id from waiting where turn <= $2 order by turn, created_at, id
           limit greatest(0, least($1, $3 - (select coalesce(sum(running), 0) from busy))))
       update image_jobs set state = 'running', version = version + 1, claim = gen_random_uuid(),
         lease_until = now() + make_interval(secs => $4), attempts = attempts + 1, not_before = null, waits_for = null,
         started_at = coalesce(started_at, now())
       where id in (select id from next) and state = 'queued' returning *`,
      [limits.slots, limits.perUser, limits.total, limits.leaseSeconds],
    )
  })
}

/**
 * The last step before the gateway is asked: from here on the job is never sent again by itself. Null when the claim no
 * longer holds, it was cancelled or withdrawn first, or the key was told to wait meanwhile.
 */
export function markCalled(
  db: Db,
  job: ClaimedJob,
  tokens: readonly string[],
  previews: number,
): Promise<ClaimedJob | null> {
  return db.maybeOne(
    ClaimedJob,
    `update image_jobs set called_at = now(), tokens = $3, previews = $4
     where id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null and withdrawn_at is null
       and ${keyMayBeUsed} returning *`,
    [job.id, job.claim, tokens, previews],
  )
}

/** It was not sent after all, as only the process that marked it can know. */
export async function unmarkCalled(db: Db, job: ClaimedJob): Promise<void> {
  await db.run(
    `update image_jobs set called_at = null, tokens = '{}' where id = $1 and claim = $2 and state = 'running'`,
    [job.id, job.claim],
  )
}

// Itself, or because another of its key has been told.
const awaitsWindow = `(waits_for is not null or exists (
  select from image_jobs told where told.key_id = image_jobs.key_id and told.waits_for is not null and ${isTold}))`

/** For a job that waits for a window of its key: another one of the same person pays. Null when it does not wait any more. */
export function changeKey(
  db: Db,
  job: ImageJob,
  key: Pick<NewJob, 'keyId' | 'keySecret' | 'estimate' | 'estimateStale' | 'waits'>,
): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set key_id = $3, key_secret = $4, estimate = $5, estimate_stale = $6, waits_for = $7,
       not_before = $8, retry_at = null, version = version + 1
     where id = $1 and user_id = $2 and state = 'queued' and ${awaitsWindow} and ssh_key_id is null returning *`,
    [
      job.id,
      job.userId,
      key.keyId,
      key.keySecret,
      key.estimate,
      key.estimateStale,
      key.waits?.for ?? null,
      key.waits?.until ?? null,
    ],
  )
}

export async function setTokens(db: Db, job: ClaimedJob, tokens: readonly string[]): Promise<void> {
  await db.run(`update image_jobs set tokens = $3 where id = $1 and claim = $2`, [job.id, job.claim, tokens])
}

export async function setRequestId(db: Db, job: ClaimedJob, requestId: string): Promise<void> {
  await db.run(`update image_jobs set request_id = $3 where id = $1 and claim = $2`, [job.id, job.claim, requestId])
}

/** Safe to repeat. */
export async function addUnfetched(db: Db, job: ClaimedJob, picture: Unfetched): Promise<void> {
  await db.run(
    `update image_jobs set unfetched = unfetched || $3::jsonb where id = $1 and claim = $2 and not unfetched @> $3::jsonb`,
    [job.id, job.claim, JSON.stringify([picture])],
  )
}

/** It came after all. */
export async function deleteUnfetched(db: Db, job: ClaimedJob, position: number): Promise<void> {
  await db.run(
    `update image_jobs set unfetched = jsonb_path_query_array(unfetched, '$[*] ? (@.position != $position)', $3)
     where id = $1 and claim = $2`,
    [job.id, job.claim, JSON.stringify({ position })],
  )
}

/** One more picture of a running job can be shown; what the preview showed is a picture now. */
export async function bumpVersion(db: Db, job: ClaimedJob): Promise<void> {
  await db.run(
    `update image_jobs set version = version + 1, preview_step = null where id = $1 and claim = $2 and state = 'running'`,
    [job.id, job.claim],
  )
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
  /** Bytes may be stored that are not in the library: the sweep looks for them. */
  leftovers?: boolean
}

/**
 * Ends a job and erases its key. A worker that was thought dead may still tell better than `unknown`, and what was left
 * over better than any end: the claim stays on the row. Null when the claim does not hold.
 */
export function finishJob(db: Db, job: ClaimedJob, ending: Ending): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `with preview as (delete from image_previews where job_id = $1)
     update image_jobs set state = $3, version = version + 1, finished_at = now(), key_secret = null, preview_step = null,
       tokens = case when $12 then tokens else '{}' end, lease_until = case when $12 then now() end, spilled_by = null,
       failure_reason = $4, failure_detail = $6, failure_field = $7, retry_at = $8, request_id = coalesce($9, request_id),
       charged = case when cost > 0 then 'yes' else $5 end,
       cost_until = case when called_at is not null and $5 <> 'no'
         then now() + make_interval(secs => case when $5 = 'yes' then $10::int else $11::int end) end
     where id = $1 and claim = $2
       and (state in ('running', 'unknown') or tokens <> '{}' or spilled_by is not null or failure_reason = 'storage')
     returning *`,
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
      COST_SECONDS,
      VERDICT_SECONDS,
      ending.leftovers ?? false,
    ],
  )
}

/** When a job that cost nothing is sent again. */
export interface Again {
  notBefore: Date
  /** The gateway lets this key come again then: its other jobs wait too. */
  retryAt: Date | null
  /** That is when this window of the key opens. */
  waitsFor: WindowName | null
}

/** Back into the queue: the gateway proved that nothing was charged. To wait for a window is no attempt. */
export function requeueJob(db: Db, job: ClaimedJob, again: Again): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set state = 'queued', version = version + 1, claim = null, lease_until = null, called_at = null,
       request_id = null, tokens = '{}', not_before = $3, retry_at = $4, waits_for = $5,
       attempts = attempts - case when $5::text is null then 0 else 1 end
     where id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null and withdrawn_at is null
     returning *`,
    [job.id, job.claim, again.notBefore, again.retryAt, again.waitsFor],
  )
}

/** A window of the key has opened before its time: nothing waits for it any more. Those that did. */
export function releaseWindow(db: Db, userId: number, keyId: number): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `update image_jobs set not_before = null, retry_at = null, waits_for = null, version = version + 1
     where key_id = $2 and user_id = $1 and state = 'queued' and waits_for is not null returning *`,
    [userId, keyId],
  )
}

/** A queued job ends at once; the worker of a running one is told, and ends it. Null when it has ended, or all is made. */
export function cancelJob(db: Db, userId: number, jobId: string): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set version = version + 1, cancel_requested_at = coalesce(cancel_requested_at, now()),
       state = case state when 'queued' then 'cancelled' else state end,
       finished_at = case state when 'queued' then now() end,
       charged = case state when 'queued' then 'no' end,
       key_secret = case state when 'queued' then null else key_secret end
     where id = $1 and user_id = $2 and state in ('queued', 'running') and made_at is null returning *`,
    [jobId, userId],
  )
}

/** Which of these claims somebody wants cancelled. */
export async function listCancelled(db: Db, claims: readonly string[]): Promise<string[]> {
  const rows = await db.many(
    z.object({ claim: z.string() }),
    `select claim from image_jobs
     where claim = any($1::uuid[]) and state = 'running' and cancel_requested_at is not null`,
    [claims],
  )
  return rows.map(row => row.claim)
}

export async function extendLeases(db: Db, claims: readonly string[], leaseSeconds: number): Promise<void> {
  await db.run(
    `update image_jobs set lease_until = now() + make_interval(secs => $2)
     where claim = any($1::uuid[]) and state = 'running'`,
    [claims, leaseSeconds],
  )
}

/**
 * Running jobs whose worker has not been heard of, and ended ones that left something over: claimed anew, by whoever
 * clears up. Nothing else has a lease. What waits in a spill is its owner's to end.
 */
export function claimAbandoned(db: Db, leaseSeconds: number): Promise<ClaimedJob[]> {
  return db.many(
    ClaimedJob,
    `update image_jobs set lease_until = now() + make_interval(secs => $1)
     where id in (
       select id from image_jobs where lease_until < now() and spilled_by is null limit 100 for update skip locked)
     returning *`,
    [leaseSeconds],
  )
}

/** Nothing of the ended job is left to be found. */
export async function clearLeftovers(db: Db, job: ClaimedJob): Promise<void> {
  await db.run(
    `update image_jobs set tokens = '{}', lease_until = null where id = $1 and claim = $2 and finished_at is not null`,
    [job.id, job.claim],
  )
}

/** Nothing was sent yet, so it may simply be run again, and this was no attempt. */
export async function requeueUnsent(db: Db, job: ClaimedJob): Promise<boolean> {
  const changed = await db.run(
    `update image_jobs set state = 'queued', version = version + 1, claim = null, lease_until = null,
       attempts = attempts - 1
     where id = $1 and claim = $2 and state = 'running' and called_at is null and cancel_requested_at is null
       and withdrawn_at is null`,
    [job.id, job.claim],
  )
  return changed === 1
}

/** Cancelled or withdrawn before anything was sent. */
export async function cancelUnsent(db: Db, job: ClaimedJob): Promise<boolean> {
  const changed = await db.run(
    `update image_jobs set state = 'cancelled', version = version + 1, finished_at = now(), key_secret = null,
       lease_until = null, charged = 'no'
     where id = $1 and claim = $2 and state = 'running' and called_at is null
       and (cancel_requested_at is not null or withdrawn_at is not null)`,
    [job.id, job.claim],
  )
  return changed === 1
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
       charged = case state when 'queued' then 'no' end,
       key_secret = case state when 'running' then key_secret end
     where user_id = $1 and ${column} = $2 and state in ('queued', 'running')`,
    [userId, id],
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

/** Those a page goes on asking about, what changes first before what waits longest: not ended, or with the cost still to come. */
export function listUnfinished(db: Db, userId: number, limit: number): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `select * from image_jobs where user_id = $1
       and (state in ('queued', 'running') or (cost is null and cost_until > now()))
     order by case state when 'running' then 0 when 'queued' then 1 else 2 end, created_at, id limit $2`,
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

const Batch = z.object({
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

/** Those that wait; what runs goes on. */

/** Pictures to start from, put behind those in the draft at once: several uploads end at the same time. */
export async function appendDraftReferences(
  db: Db,
  userId: number,
  form: FormValues,
  tokens: readonly string[],
): Promise<void> {
  await db.run(
    `insert into image_drafts as d (user_id, form) values ($1, $2)
     on conflict (user_id) do update set updated_at = now(), form = jsonb_set(d.form, '{references}',
       (coalesce(d.form->'references', '[]') - $3::text[]) || to_jsonb($3::text[]))`,
    [userId, JSON.stringify({ ...form, references: tokens }), tokens],
  )
}

/** What was found out about the money for a job. */
export async function setVerdict(tx: Db, userId: number, jobId: string, verdict: Verdict): Promise<void> {
  const { charged, cost, evidence } = verdict
  await tx.run(
    `update image_jobs set charged = $3, cost = coalesce($4, cost), evidence = coalesce($5, evidence),
       version = version + 1, cost_until = case when $3 = 'unknown' then cost_until end
     where id = $1 and user_id = $2`,
    [jobId, userId, charged, cost, evidence && JSON.stringify(evidence)],
  )
}

/** The pictures of the job show something new. */
export async function touchJob(db: Db, userId: number, jobId: string): Promise<void> {
  await db.run(`update image_jobs set version = version + 1 where id = $1 and user_id = $2`, [jobId, userId])
}

/** Jobs that an SSH key asked for, newest first. */
export function listJobsOfSshKey(
  db: Db,
  userId: number,
  sshKeyId: string,
  options: { states: readonly ImageJob['state'][] | null; before: { at: Date; id: string } | null; limit: number },
): Promise<ImageJob[]> {
  return db.many(
    ImageJob,
    `select * from image_jobs
     where user_id = $1 and ssh_key_id = $2 and ($3::text[] is null or state = any($3))
       and ($4::timestamptz is null or (created_at, id) < ($4, $5::uuid))
     order by created_at desc, id desc limit $6`,
    [userId, sshKeyId, options.states, options.before?.at ?? null, options.before?.id ?? null, options.limit],
  )
}

const SshKeyUse = z.object({
  picturesToday: z.number(),
  unfinished: z.number(),
  spentToday: z.number(),
  spentTotal: z.number(),
})
/** What an SSH key has asked for. Days are those of UTC, money is US dollars. */
type SshKeyUse = z.output<typeof SshKeyUse>

/**
 * Counts the estimate of a job until its cost is known, and nothing for a job that was proven to be free. Without
 * `total`, jobs of earlier days are not added up.
 */
export function sumSshKeyUse(db: Db, sshKeyId: string, options: { total: boolean }): Promise<SshKeyUse> {
  return db.one(
    SshKeyUse,
    `with day as (select date_trunc('day', now() at time zone 'utc') at time zone 'utc' as start),
       counted as (
         select n, state, made_at, created_at >= (select start from day) as today, cost is null and charged = 'no' as free,
           case when cost is not null then cost when charged = 'no' then 0 else coalesce(estimate, 0) end::numeric as usd
         from image_jobs
         where ssh_key_id = $1 and ($2 or created_at >= (select start from day) or state in ('queued', 'running')))
     select coalesce(sum(n) filter (where today and free is not true), 0)::int as pictures_today,
       (count(*) filter (where state in ('queued', 'running') and made_at is null))::int as unfinished,
       coalesce(sum(usd) filter (where today), 0)::float8 as spent_today,
       coalesce(sum(usd), 0)::float8 as spent_total
     from counted`,
    [sshKeyId, options.total],
  )
}

/** Number of jobs that will not run. */

/** Names of SSH keys by their ids; the rows are those of the agents' room. */
export async function listMakers(db: Db, userId: number, sshKeyIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.many(
    z.object({ id: z.string(), name: z.string() }),
    `select id, name from ssh_keys where user_id = $1 and id = any($2)`,
    [userId, sshKeyIds],
  )
  return new Map(rows.map(row => [row.id, row.name]))
}

const SealedKey = z.object({ id: z.string(), userId: z.number(), keySecret: z.instanceof(Buffer) })

/** Keys of jobs, of paused batches for instance, that were sealed with one of these. */
export function listKeysSealedWith(db: Db, sealedWith: readonly Buffer[], after: string | null, limit: number) {
  return db.many(
    SealedKey,
    `select id, user_id, key_secret from image_jobs
     where substring(key_secret from 2 for 4) = any($1::bytea[]) and ($2::uuid is null or id > $2) order by id limit $3`,
    [sealedWith, after, limit],
  )
}

/** The same key, sealed anew. */
export function replaceSealedKey(db: Db, old: z.output<typeof SealedKey>, keySecret: Buffer): Promise<number> {
  return db.run(`update image_jobs set key_secret = $3 where id = $1 and key_secret = $2`, [
    old.id,
    old.keySecret,
    keySecret,
  ])
}
