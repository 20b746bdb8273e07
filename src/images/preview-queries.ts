import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { ClaimedJob } from './claim-queries.ts'

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
