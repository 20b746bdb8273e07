import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { Asked } from '../models/asked.ts'

const AskedFor = z.object({
  id: z.string(),
  createdAt: z.date(),
  finishedAt: z.date().nullable(),
  state: z.string(),
  failureReason: z.string().nullable(),
  ...Asked.shape,
  prompt: z.string(),
  references: z.array(z.string()),
  batch: z.string().nullable(),
  keyName: z.string().nullable(),
  sshKeyName: z.string().nullable(),
})
export type AskedFor = z.output<typeof AskedFor>

/** All that was asked for, whatever became of it, the newest first. */
export function listAsked(db: Db, userId: number, before: AskedFor | null, limit: number): Promise<AskedFor[]> {
  return db.many(
    AskedFor,
    `select id, created_at, finished_at, state, failure_reason, model, prompt, size, quality, n, format, compression, background,
       moderation, reference_tokens as references, batch_id as batch, key_name, ssh_key_name
     from image_jobs where user_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
     order by created_at desc, id desc limit $4`,
    [userId, before?.createdAt ?? null, before?.id ?? null, limit],
  )
}
