import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { ImageJob } from './job-queries.ts'

// Looked at more and more seldom, down to once a minute: after each refusal, and the longer it waits.
const isDue = `state = 'queued' and key_looked_at is not null and key_looked_at < now() - make_interval(secs =>
  least(60, greatest(power(2, least(attempts, 6)), extract(epoch from now() - created_at) / 10)))`

/** What waits behind one whose key was refused, with the same key, waits too: it would be refused as well. */
export async function holdSiblings(db: Db, { userId, keyId }: ImageJob): Promise<void> {
  await db.run(
    `update image_jobs set key_looked_at = now(), version = version + 1
     where user_id = $1 and key_id = $2 and state = 'queued' and ssh_key_id is null and key_looked_at is null`,
    [userId, keyId],
  )
}

/** Whose pictures wait for a key, with a sign-in that may ask for what is known of it. */
export function listKeyless(db: Db): Promise<{ userId: number; signInId: string | null }[]> {
  return db.many(
    z.object({ userId: z.number(), signInId: z.string().nullable() }),
    `select distinct on (user_id) user_id, sign_in_id from image_jobs where ${isDue} order by user_id, created_at desc`,
  )
}

/** Takes those that are due, as looked at now: whoever else looks passes them over. The oldest first. */
export async function takeKeyless(db: Db, userId: number): Promise<ImageJob[]> {
  const jobs = await db.many(
    ImageJob,
    `update image_jobs set key_looked_at = now() where user_id = $1 and ${isDue} returning *`,
    [userId],
  )
  return jobs.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
}
