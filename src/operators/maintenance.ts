import type { Db } from '../db/db.ts'
import { Refusal } from '../web/errors.ts'
import { holdMaintenance, type Maintenance } from './bulletin-queries.ts'

const SHORTEST_SECONDS = 60
const LONGEST_SECONDS = 3600
const UNKNOWN_SECONDS = 300

/**
 * In the transaction that begins something new. Throws `Refusal` 503 in maintenance; else none begins before that
 * transaction has ended, whatever this process has heard of it.
 */
export async function refuseInMaintenance(tx: Db): Promise<void> {
  const maintenance = await holdMaintenance(tx)
  if (maintenance) throw new Refusal(503, 'operators.maintenance.refused', {}, secondsLeft(maintenance))
}

/** Until it is worth trying again. */
export function secondsLeft({ until }: Maintenance): number {
  if (!until) return UNKNOWN_SECONDS
  const left = Math.ceil((until.getTime() - Date.now()) / 1000)
  return Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, left))
}
