import { z } from 'zod'
import type { Prices } from '../account/prices.ts'
import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import type { WindowName } from '../gateway/windows.ts'
import { bytesUsedBy } from '../library/storage-queries.ts'
import { ImageJob } from './job-queries.ts'
import type { ImageRequest } from './prompt.ts'

/** Whoever has it is alone in starting jobs of this user: counts stay true. */
export const startsLock = lockOfPerson('starts', 741_002)

const Standing = z.object({
  /** The job that this submission has made before. */
  twin: z.string().nullable(),
  queued: z.number(),
  /** Asked for in a browser, one by one, within the last minute; and the seconds since the first of them. */
  lately: z.number(),
  lateSeconds: z.number(),
  bytesUsed: z.number(),
})

/** What decides whether a person may start one more. */
export function findStanding(db: Db, userId: number, submission: string): Promise<z.output<typeof Standing>> {
  return db.one(
    Standing,
    `select (select id from image_jobs where submission = $2 and user_id = $1) as twin,
       (select count(*) from image_jobs where user_id = $1 and state = 'queued') as queued,
       count(*) as lately, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as late_seconds,
       ${bytesUsedBy('$1')} as bytes_used
     from image_jobs where user_id = $1 and created_at > now() - interval '1 minute' and ssh_key_id is null
       and batch_id is null`,
    [userId, submission],
  )
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
  signInId: string | null
  sshKey: { id: string; name: string } | null
  request: ImageRequest
  estimate: number | null
  /** As of `Estimate`. */
  dearest: number | null
  /** The price could not be checked. */
  estimateStale: boolean
  /** The price list that the estimate was made from. */
  prices: Prices | null
  /** A window of the key is full. */
  waits: { for: WindowName; until: Date } | null
  keyId: number
  keyName: string | null
  keyGroup: string | null
  keySecret: Buffer
  fromBalance: boolean
  caller: { address: string; userAgent: string }
  batch: { id: string; line: number } | null
  conversation: { id: string; title: string } | null
  form: string | null
}

export function insertJob(db: Db, job: NewJob): Promise<ImageJob> {
  const { request } = job
  return db.one(
    ImageJob,
    `insert into image_jobs (id, user_id, submission, sign_in_id, model, prompt, size, quality, n, format, compression,
       background, moderation, reference_tokens, mask_id, estimate, key_id, key_secret, caller_address,
       caller_user_agent, ssh_key_id, batch_id, batch_line, estimate_stale, waits_for, not_before, form,
       key_name, key_group, ssh_key_name, conversation_id, conversation_title, dearest, from_balance, prices)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
       $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35)
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
      job.sshKey?.id ?? null,
      job.batch?.id ?? null,
      job.batch?.line ?? null,
      job.estimateStale,
      job.waits?.for ?? null,
      job.waits?.until ?? null,
      job.form,
      job.keyName,
      job.keyGroup,
      job.sshKey?.name ?? null,
      job.conversation?.id ?? null,
      job.conversation?.title ?? null,
      job.dearest,
      job.fromBalance,
      job.prices && JSON.stringify(job.prices),
    ],
  )
}
