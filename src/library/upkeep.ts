import { TRASH_DAYS, type Upkeep, type UpkeepDeps } from '../work/upkeep.ts'
import { deleteOldChanges } from './change-queries.ts'
import { deleteOrphans, emptyTrash } from './keep.ts'

export function upkeep(deps: UpkeepDeps): Upkeep {
  return {
    pictures: () => emptyTrash(deps, TRASH_DAYS),
    changes: () => deleteOldChanges(deps.db),
    orphans: () => deleteOrphans(deps),
  }
}
