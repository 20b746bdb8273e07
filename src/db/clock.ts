import { z } from 'zod'
import type { Db } from './db.ts'

/** The time by which rows are kept: that of this machine may be another. */
export async function clock(db: Db): Promise<Date> {
  return (await db.one(z.object({ now: z.date() }), `select clock_timestamp() as now`)).now
}
