import { resealKeys } from '../work/sealed-key-queries.ts'
import type { UpkeepDeps } from '../work/upkeep.ts'
import { resealChosenKey } from './key.ts'

/** What an older secret sealed, sealed with the first one. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealKeys(deps, { table: 'accounts', id: 'user_id', type: 'bigint' }, row =>
    resealChosenKey(deps, row.userId, row.keySecret),
  )
}
