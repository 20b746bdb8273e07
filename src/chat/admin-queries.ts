import type { Db } from '../db/db.ts'
import { Failures, Line, Stuck, stuckLease, Tally } from '../images/admin-queries.ts'
import { Reply } from './reply-queries.ts'

/** What waits and is being written, of everybody. */
export function tallyReplies(db: Db): Promise<Tally> {
  return db.one(
    Tally,
    `select count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running') as running,
       count(*) filter (where parked_at is not null) as parked, min(created_at) as oldest
     from replies where state in ('queued', 'running')`,
  )
}

export function countFailedReplies(db: Db, hours: number): Promise<Failures[]> {
  return db.many(
    Failures,
    `select failure_reason as reason, charged, count(*) from replies
     where state in ('failed', 'unknown') and finished_at > now() - make_interval(hours => $1)
     group by 1, 2 order by 3 desc, 1, 2`,
    [hours],
  )
}

/** Who has most in line comes first. `userIds`: of these only. */
export function listReplyLines(db: Db, limit: number, userIds: readonly number[] | null = null): Promise<Line[]> {
  return db.many(
    Line,
    `select user_id, count(*) filter (where state = 'queued') as queued,
       count(*) filter (where state = 'running') as running, min(created_at) as oldest
     from replies where state in ('queued', 'running') and ($2::bigint[] is null or user_id = any($2))
     group by user_id order by count(*) desc, user_id limit $1`,
    [limit, userIds],
  )
}

export function listStuckReplies(db: Db, leaseSeconds: number, limit: number): Promise<Stuck[]> {
  return db.many(
    Stuck,
    `select message_id as id, user_id, created_at as since,
       case when parked_at is not null then 'parked' else 'lease' end as why
     from replies where state in ('queued', 'running') and (parked_at is not null
       or (lease_until is not null and ${stuckLease('$1')}))
     order by created_at limit $2`,
    [leaseSeconds, limit],
  )
}

/** As of `releaseJobLeases`. */
export async function releaseReplyLeases(tx: Db, leaseSeconds: number): Promise<number> {
  await tx.run(`select pg_notify('work', 'reply')`)
  return tx.run(
    `update replies set lease_until = now()
     where state = 'running' and lease_until is not null and parked_at is null and ${stuckLease('$1')}`,
    [leaseSeconds],
  )
}

/** Answers of a person that wait, and nobody has begun. */
export function listQueuedReplies(db: Db, userId: number): Promise<Reply[]> {
  return db.many(Reply, `select * from replies where user_id = $1 and state = 'queued'`, [userId])
}
