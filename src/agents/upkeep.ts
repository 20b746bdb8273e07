import { resealBindingKey } from '../account/key.ts'
import { resealKeys } from '../work/sealed-key-queries.ts'
import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteExpired } from './queries.ts'
import { CHALLENGE_SECONDS } from './sign-in.ts'

const PENDING_KEY_DAYS = 7

export function upkeep({ db }: UpkeepDeps): Upkeep {
  return { agents: () => deleteExpired(db, CHALLENGE_SECONDS, PENDING_KEY_DAYS) }
}

/** What an older secret sealed, sealed with the first one. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealKeys(deps, { table: 'ssh_keys', id: 'id', type: 'uuid' }, row =>
    resealBindingKey(deps, row.userId, row.id, row.keySecret),
  )
}
