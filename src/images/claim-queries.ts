import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfAll } from '../db/locks.ts'
import type { WindowName } from '../gateway/windows.ts'
import { leases } from '../work/leases.ts'
import { ImageJob, type Unfetched } from './job-queries.ts'
import { lanes } from './lane-queries.ts'
import { keyMayBeUsed, ready } from './line-queries.ts'
import { ownOrder } from './place-queries.ts'

/** A job that this process runs: nobody else can while the claim holds. */
export const ClaimedJob = ImageJob.extend({ claim: z.string() })
export type ClaimedJob = z.output<typeof ClaimedJob>

// How long the usage row of a call is looked for. Where it decides whether anything was charged: as long as the gateway
// may go on working on a call that we left.
const COST_SECONDS = 60
const VERDICT_SECONDS = 20 * 60

const CLAIM_LOCK = 741_001

/** Whoever has it knows that no worker claims anything meanwhile. */
export const claimsLock = lockOfAll('claims', CLAIM_LOCK)

export const jobLeases = leases({
  table: 'image_jobs',
  id: 'id',
  row: ClaimedJob,
  lock: CLAIM_LOCK,
  ready,
  order: ownOrder,
  // What was made and waits for the store keeps nobody's next picture waiting.
  busy: 'made_at is null',
  turn: 'called_at is not null',
  lane: { by: 'key_id', table: lanes },
  onClaim: 'waits_for = null',
  // Also ended ones that left something over: nothing else has a lease. What waits in a spill is its owner's to end.
  abandoned: 'spilled_by is null',
  parks: { sent: '(called_at is not null)', kind: 'image' },
})

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

/** It was not sent after all, as only the process that marked it can know. False when the claim no longer holds. */
export async function unmarkCalled(db: Db, job: ClaimedJob): Promise<boolean> {
  const changed = await db.run(
    `update image_jobs set called_at = null, tokens = '{}' where id = $1 and claim = $2 and state = 'running'`,
    [job.id, job.claim],
  )
  return changed === 1
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
  /** How many previews came. */
  previews?: number
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
  /** Not before its key works again, or another one pays. */
  needsKey?: boolean
  /** No more of its key are made at once than are now. */
  isCrowded?: boolean
}

/** Back into the queue: the gateway proved that nothing was charged. To wait for a window is no attempt. */
export function requeueJob(db: Db, job: ClaimedJob, again: Again): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set state = 'queued', version = version + 1, claim = null, lease_until = null, called_at = null,
       request_id = null, tokens = '{}', not_before = $3, retry_at = $4, waits_for = $5,
       key_looked_at = case when $6 then now() end,
       attempts = attempts - case when $5::text is null then 0 else 1 end
     where id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null and withdrawn_at is null
     returning *`,
    [job.id, job.claim, again.notBefore, again.retryAt, again.waitsFor, again.needsKey ?? false],
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

/** Cancelled or withdrawn before anything was sent. Null when it was neither. */
export function cancelUnsent(db: Db, job: ClaimedJob): Promise<ImageJob | null> {
  return db.maybeOne(
    ImageJob,
    `update image_jobs set state = 'cancelled', version = version + 1, finished_at = now(), key_secret = null,
       lease_until = null, charged = 'no'
     where id = $1 and claim = $2 and state = 'running' and called_at is null
       and (cancel_requested_at is not null or withdrawn_at is not null) returning *`,
    [job.id, job.claim],
  )
}

/** Whether there is something for whoever makes pictures: one that may begin, or that was left behind. */
export async function hasWork(db: Db): Promise<boolean> {
  const { exists } = await db.one(
    z.object({ exists: z.boolean() }),
    `select exists (select from image_jobs where state = 'queued' and (not_before is null or not_before <= now()) and ${ready})
       or exists (select from image_jobs where lease_until < now() and spilled_by is null and parked_at is null) as exists`,
  )
  return exists
}

/** Tokens under which pictures may be stored that are not filed yet. */
export async function listUnfiled(db: Db): Promise<string[]> {
  const rows = await db.many(
    z.object({ token: z.string() }),
    `select unnest(tokens) as token from image_jobs where tokens <> '{}'`,
  )
  return rows.map(({ token }) => token)
}
