import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteOldImports } from './queries.ts'

const REPORT_DAYS = 30

/** What is done once an hour. */
export function upkeep({ db }: UpkeepDeps): Upkeep {
  return { imports: () => deleteOldImports(db, REPORT_DAYS) }
}
