import { resealEach } from '../secrets/reseal.ts'
import type { UpkeepDeps } from '../work/upkeep.ts'
import { resealChosenKey } from './key.ts'
import { listKeysSealedWith, replaceSealedKey } from './queries.ts'

/** What an older secret sealed, sealed with the first one. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealEach(
    (after, limit) => listKeysSealedWith(deps.db, deps.sealer.older, after, limit),
    row => replaceSealedKey(deps.db, row, resealChosenKey(deps, row.userId, row.keySecret)),
    row => String(row.userId),
  )
}
