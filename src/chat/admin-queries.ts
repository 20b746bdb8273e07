import type { Db } from '../db/db.ts'
import { Tally } from '../images/admin-queries.ts'

/** What waits and is being written, of everybody. */
export function tallyReplies(db: Db): Promise<Tally> {
  return db.one(
    Tally,
    `select count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running') as running,
       count(*) filter (where parked_at is not null) as parked, min(created_at) as oldest
     from replies where state in ('queued', 'running')`,
  )
}
