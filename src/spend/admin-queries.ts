import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { ReceiptCopy, receiptColumns } from './copy-queries.ts'

// `numeric` arrives as text.
const usd = z.coerce.number()

const Spent = z.object({ userId: z.number(), today: usd, month: usd, calls: z.number(), unsettled: z.number() })
/** What one person was charged, by their own days; `calls`: of the month. */
export type Spent = z.output<typeof Spent>

const today = `(now() at time zone spend_zone(user_id))::date`

export function listSpent(db: Db, userIds: readonly number[]): Promise<Spent[]> {
  return db.many(
    Spent,
    `select user_id, coalesce(sum(usd) filter (where day = ${today}), 0) as today, sum(usd) as month,
       sum(calls)::int as calls, sum(unsettled)::int as unsettled
     from spend_days where user_id = any($1::bigint[]) and day >= date_trunc('month', ${today})::date group by user_id`,
    [userIds],
  )
}

const Budgeted = z.object({ userId: z.number(), usd })

/** Whom the operator's budget of a day or a month has nearly nothing left for: who spent most comes first. */
export function listNearBudget(
  db: Db,
  period: 'day' | 'month',
  atLeast: number,
  limit: number,
): Promise<z.output<typeof Budgeted>[]> {
  return db.many(
    Budgeted,
    `select user_id, sum(usd) as usd from spend_days
     where day >= current_date - ${period === 'day' ? 1 : 32} and day >= date_trunc('${period}', ${today}::timestamp)::date
     group by user_id having sum(usd) >= $1 order by 2 desc, 1 limit $2`,
    [atLeast, limit],
  )
}

const Outstanding = z.object({
  underWay: z.number(),
  /** Looked for by itself. */
  looking: z.number(),
  /** Left to the person. */
  left: z.number(),
  oldest: z.date().nullable(),
})
/** Calls of which nobody knows yet what they cost. */
export type Outstanding = z.output<typeof Outstanding>

export function countOutstanding(db: Db): Promise<Outstanding> {
  return db.one(
    Outstanding,
    `select count(*) filter (where ended_at is null) as under_way,
       count(*) filter (where ended_at is not null and look_at is not null) as looking,
       count(*) filter (where ended_at is not null and look_at is null and charged = 'unknown') as left,
       min(called_at) filter (where ended_at is not null and look_at is not null) as oldest
     from receipts where usage_id is null and charged <> 'no' and user_id is not null`,
  )
}

/** Of calls for pictures of the last hours, the newest. */
export function listLately(db: Db, hours: number, limit: number): Promise<ReceiptCopy[]> {
  return db.many(
    ReceiptCopy,
    `select ${receiptColumns} from receipts
     where kind = 'picture' and ended_at is not null and called_at > now() - make_interval(hours => $1)
     order by called_at desc limit $2`,
    [hours, limit],
  )
}
