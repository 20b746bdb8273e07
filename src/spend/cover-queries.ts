import { z } from 'zod'
import { knownBalances } from '../account/queries.ts'
import type { Db } from '../db/db.ts'
import { isOpen } from './reservation-queries.ts'

/**
 * A balance that nobody could read again for so long keeps nothing waiting any more: the gateway says itself whether it
 * serves, and a refusal costs nothing.
 */
const BELIEVED = `balance_at > now() - interval '15 minutes'`

/**
 * Pictures that the balance does not cover, as rows of `subject`, `user_id`, `missing` (US dollars) and `balance_at`: in
 * the order in which they were asked for, each by the price that was told, behind what is under way. A balance that is
 * used up covers nothing. `whose`: which reservations `r` are looked at, of all of a person or none.
 */
const short = (whose: string) => `
  select subject, user_id, needed - balance as missing, balance_at from (
    select r.subject, r.user_id, r.kind, known.balance, known.balance_at, coalesce(calls.usd, 0)
      + sum(r.expected) over (partition by r.user_id order by r.created_at, r.subject) as needed
    from reservations r join ${knownBalances} known using (user_id) left join (
      select user_id, sum(coalesce(estimate, held, 0)) as usd from receipts
      where ${isOpen} and from_balance and user_id is not null group by user_id) calls using (user_id)
    where r.from_balance and ${whose}) needs
  where kind = 'picture' and (needed > balance or balance <= 0)`

/** The same as a table to join, of those that wait for it; of one person by the number of a parameter. */
export const uncovered = (userId = '') => `(${short(userId ? `r.user_id = ${userId}` : 'true')} and ${BELIEVED})`

/** Whose balance does not cover what waits, and was not read for so long. */
export async function listToAsk(db: Db, seconds: number): Promise<number[]> {
  const rows = await db.many(
    z.object({ userId: z.number() }),
    `select distinct user_id from (${short('true')}) short where balance_at < now() - make_interval(secs => $1)`,
    [seconds],
  )
  return rows.map(({ userId }) => userId)
}
