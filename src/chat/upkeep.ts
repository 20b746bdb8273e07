import { TRASH_DAYS, type Upkeep, type UpkeepDeps } from '../work/upkeep.ts'
import { forgetDeleted } from './archive/keep.ts'

export function upkeep(deps: UpkeepDeps): Upkeep {
  return { conversations: () => forgetDeleted(deps, TRASH_DAYS) }
}
