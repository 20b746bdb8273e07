import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { ClaimedJob } from './claim-queries.ts'
import { ImageJob } from './job-queries.ts'

/** Whosever it is: for the worker that keeps its pictures. */
export function findJobOfSpill(db: Db, jobId: string): Promise<ImageJob | null> {
  return db.maybeOne(ImageJob, `select * from image_jobs where id = $1`, [jobId])
}

/** Before the first picture is spilled: from now on no other worker ends the job. */
export async function bindToSpill(db: Db, job: ClaimedJob, owner: string): Promise<void> {
  await db.run(
    `update image_jobs set spilled_by = $3, version = version + 1
     where id = $1 and claim = $2 and state = 'running' and spilled_by is distinct from $3::uuid`,
    [job.id, job.claim, owner],
  )
}

/**
 * The call is over, and what it brought waits in the spill, whose owner was heard of just now. The key is of no more
 * use. Safe to repeat.
 */
export async function markMade(db: Db, job: ClaimedJob, owner: string, leaseSeconds: number): Promise<void> {
  await db.run(
    `update image_jobs set spilled_by = $3, lease_until = now() + make_interval(secs => $4), key_secret = null,
       made_at = coalesce(made_at, now()), version = version + case when made_at is null then 1 else 0 end
     where id = $1 and claim = $2 and state = 'running'`,
    [job.id, job.claim, owner, leaseSeconds],
  )
}

/** Jobs bound to this spill whose worker has not been heard of. */
export function listBoundAndSilent(db: Db, owner: string): Promise<ClaimedJob[]> {
  return db.many(ClaimedJob, `select * from image_jobs where spilled_by = $1 and lease_until < now() limit 100`, [
    owner,
  ])
}

/** Nothing of it is in the spill: whoever clears up may end it. */
export async function unbindFromSpill(db: Db, job: ClaimedJob): Promise<void> {
  await db.run(`update image_jobs set spilled_by = null where id = $1 and claim = $2`, [job.id, job.claim])
}

const Keeper = z.object({ owner: z.string(), jobs: z.number(), oldest: z.date(), heardUntil: z.date() })

/** The spills that jobs wait for, the one not heard of for longest first. */
export function listKeepers(db: Db): Promise<z.output<typeof Keeper>[]> {
  return db.many(
    Keeper,
    `select spilled_by as owner, count(*) as jobs, min(called_at) as oldest, max(lease_until) as heard_until
     from image_jobs where spilled_by is not null and state = 'running' group by spilled_by order by 4`,
  )
}

/** The spill will not come back: the sweep of any worker ends its jobs now. Answers how many. */
export function releaseSpill(db: Db, owner: string): Promise<number> {
  return db.run(
    `update image_jobs set spilled_by = null, lease_until = now() where spilled_by = $1 and state = 'running'`,
    [owner],
  )
}
