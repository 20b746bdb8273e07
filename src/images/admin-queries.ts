import { z } from 'zod'
import type { Db } from '../db/db.ts'

export const Tally = z.object({
  queued: z.number(),
  running: z.number(),
  /** Of those, what stands still since a restore. */
  parked: z.number(),
  /** When the oldest of them was asked for. */
  oldest: z.date().nullable(),
})
export type Tally = z.output<typeof Tally>

/** What waits and runs, of everybody. */
export function tallyJobs(db: Db): Promise<Tally> {
  return db.one(
    Tally,
    `select count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running') as running,
       count(*) filter (where parked_at is not null) as parked, min(created_at) as oldest
     from image_jobs where state in ('queued', 'running')`,
  )
}
