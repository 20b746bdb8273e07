import { resealBindingKey } from '../account/key.ts'
import { resealEach } from '../secrets/reseal.ts'
import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteExpired, listKeysSealedWith, replaceSealedKey } from './queries.ts'
import { CHALLENGE_SECONDS } from './sign-in.ts'

const PENDING_KEY_DAYS = 7

export function upkeep({ db }: UpkeepDeps): Upkeep {
  return { agents: () => deleteExpired(db, CHALLENGE_SECONDS, PENDING_KEY_DAYS) }
}

/** What an older secret sealed, sealed with the first one. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealEach(
    (after, limit) => listKeysSealedWith(deps.db, deps.sealer.older, after, limit),
    row => replaceSealedKey(deps.db, row, resealBindingKey(deps, row.userId, row.id, row.keySecret)),
    row => row.id,
  )
}
