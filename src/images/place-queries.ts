import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** In the order in which what one person has asked for is begun. */
export const ownOrder = 'line_rank, created_at, id'

/** What one person has waiting, what goes first before the rest. */
export async function listOwnLine(tx: Db, userId: number): Promise<string[]> {
  const rows = await tx.many(
    z.object({ id: z.string() }),
    `select id from image_jobs where user_id = $1 and state = 'queued' order by ${ownOrder}`,
    [userId],
  )
  return rows.map(({ id }) => id)
}

/** Puts them into this order; whatever is asked for later comes behind them. */
export async function setOwnLine(tx: Db, userId: number, ids: readonly string[]): Promise<void> {
  await tx.run(
    `update image_jobs set line_rank = place - cardinality($2::uuid[]) - 1
     from unnest($2::uuid[]) with ordinality as line (job, place)
     where id = job and user_id = $1 and state = 'queued' and line_rank <> place - cardinality($2::uuid[]) - 1`,
    [userId, ids],
  )
}
