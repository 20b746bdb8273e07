import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Use = z.object({ userId: z.number(), bytes: z.number(), files: z.number() })
/** What one person's files take, thumbnails not. */
export type StorageUse = z.output<typeof Use>

/** The largest first, from one index of all files; `userIds`: of these only. */
export function listStorageUse(db: Db, limit: number, userIds: readonly number[] | null = null): Promise<StorageUse[]> {
  return db.many(
    Use,
    `select user_id, sum(bytes + coalesce(original_bytes, 0))::bigint as bytes, count(*) as files from files
     where $2::bigint[] is null or user_id = any($2) group by user_id order by 2 desc, user_id limit $1`,
    [limit, userIds],
  )
}
