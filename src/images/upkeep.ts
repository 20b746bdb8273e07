import { resealJobKey } from '../account/key.ts'
import { resealEach } from '../secrets/reseal.ts'
import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteUnusedMasks } from './mask-queries.ts'
import { listKeysSealedWith, replaceSealedKey } from './sealed-key-queries.ts'

export function upkeep({ db }: UpkeepDeps): Upkeep {
  return { masks: () => deleteUnusedMasks(db) }
}

/** What an older secret sealed and waits for longer than the minutes of a call, sealed with the first one. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealEach(
    (after, limit) => listKeysSealedWith(deps.db, deps.sealer.older, after, limit),
    row => replaceSealedKey(deps.db, row, resealJobKey(deps, row.userId, row.id, row.keySecret)),
    row => row.id,
  )
}
