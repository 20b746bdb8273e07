import { resealJobKey } from '../account/key.ts'
import { resealKeys } from '../work/sealed-key-queries.ts'
import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteOldLanes } from './lane-queries.ts'
import { deleteUnusedMasks } from './mask-queries.ts'

export function upkeep({ db }: UpkeepDeps): Upkeep {
  return { masks: () => deleteUnusedMasks(db), lanes: () => deleteOldLanes(db) }
}

/** What an older secret sealed and waits for longer than the minutes of a call, sealed with the first one. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealKeys(deps, { table: 'image_jobs', id: 'id', type: 'uuid' }, row =>
    resealJobKey(deps, row.userId, row.id, row.keySecret),
  )
}
