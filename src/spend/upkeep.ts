import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { sweepReservations } from './reservation-queries.ts'

export function upkeep({ db }: UpkeepDeps): Upkeep {
  return { reservations: () => sweepReservations(db) }
}
