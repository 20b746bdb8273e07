import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteOldDismissals } from './bulletin-queries.ts'

const KEPT_DAYS = 30

/** What is done once an hour. */
export function upkeep(deps: UpkeepDeps): Upkeep {
  return { dismissals: () => deleteOldDismissals(deps.db, KEPT_DAYS) }
}
