import type { Db } from '../db/db.ts'
import type { Cursor } from '../web/paging.ts'
import type { HistoryFilter } from './history.ts'
import { ImageJob } from './job-queries.ts'

/** Of which the first are looked through for words that are in many of them; the rarer ones are found by their index. */
const NEAR = 1000

const kinds: Record<HistoryFilter['show'], string> = {
  all: 'true',
  made: `state in ('done', 'running', 'queued')`,
  open: `state in ('queued', 'running')`,
  nothing: `state in ('failed', 'cancelled', 'unknown')`,
}

/** Newest first. What was put away is history too: it is found where something is looked for. */
export async function listHistory(
  db: Db,
  userId: number,
  { filter, before, limit }: { filter: HistoryFilter; before: Cursor | null; limit: number },
): Promise<ImageJob[]> {
  const { show, words, isNarrow } = filter
  const listed = `user_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid)) and ${kinds[show]}
    and ${isNarrow ? 'true' : 'dismissed_at is null'}`
  const matches = `search_text(prompt) like all (array(select search_pattern(word) from unnest($5::text[]) as word))`
  const newest = 'order by created_at desc, id desc limit'
  const where = [userId, before?.at ?? null, before?.id ?? null, limit]
  if (words.length === 0) {
    return db.many(ImageJob, `select * from image_jobs where ${listed} ${newest} $4`, where)
  }
  const near = await db.many(
    ImageJob,
    `with near as materialized (select * from image_jobs where ${listed} ${newest} ${NEAR})
     select * from near where ${matches} ${newest} $4`,
    [...where, words],
  )
  if (near.length === limit) return near
  // Matched first and sorted then: the other way round a word that is nowhere is looked for in all of them.
  return db.many(
    ImageJob,
    `with found as materialized (select id from image_jobs where ${listed} and ${matches})
     select * from image_jobs where id in (select id from found) and user_id = $1 ${newest} $4`,
    [...where, words],
  )
}
