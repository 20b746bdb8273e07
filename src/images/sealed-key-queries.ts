import { z } from 'zod'
import type { Db } from '../db/db.ts'

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
