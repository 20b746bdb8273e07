import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteOldShares } from './long-share-queries.ts'
import { deleteExpired } from './queries.ts'

/** What is done once an hour. */
export function upkeep(deps: UpkeepDeps): Upkeep {
  return { exhibits: () => deleteExpired(deps.db), shares: () => deleteOldShares(deps.db) }
}
