import { resealReplyKey } from '../account/key.ts'
import { resealKeys } from '../work/sealed-key-queries.ts'
import { TRASH_DAYS, type Upkeep, type UpkeepDeps } from '../work/upkeep.ts'
import { forgetDeleted } from './archive/keep.ts'

export function upkeep(deps: UpkeepDeps): Upkeep {
  return { conversations: () => forgetDeleted(deps, TRASH_DAYS) }
}

/** Of answers that wait for a window of their key, for up to a week. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealKeys(deps, { table: 'replies', id: 'message_id', type: 'uuid' }, row =>
    resealReplyKey(deps, row.userId, row.id, row.keySecret),
  )
}
