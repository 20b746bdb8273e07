import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteExpiredExports } from './queries.ts'

/** What is done once an hour. */
export function upkeep(deps: UpkeepDeps): Upkeep {
  return { exports: () => deleteExpiredExports(deps.db) }
}
