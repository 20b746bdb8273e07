import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { leases } from '../work/leases.ts'

const Departure = z.object({ id: z.string(), userId: z.number(), createdAt: z.date(), attempts: z.number() })
const ClaimedDeparture = Departure.extend({ claim: z.string() })
/** Of a person whose rows this process deletes. */
export type ClaimedDeparture = z.output<typeof ClaimedDeparture>

export const departureLeases = leases({ table: 'departures', id: 'id', row: ClaimedDeparture, lock: 741_071 })

/** One a person, however often it is asked for. */
export async function insertDeparture(tx: Db, userId: number): Promise<void> {
  await tx.run(`insert into departures (user_id) values ($1) on conflict (user_id) do nothing`, [userId])
}

/** Nothing is left of them, not even that they have left. */
export async function deleteDeparture(db: Db, departure: ClaimedDeparture): Promise<void> {
  await db.run(`delete from departures where id = $1 and claim = $2`, [departure.id, departure.claim])
}
