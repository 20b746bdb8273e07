import { resealEach } from '../secrets/reseal.ts'
import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deletePanelCalls } from './panel-queries.ts'
import { deleteStaleSignIns, listSignInsSealedWith, replaceTokens } from './queries.ts'
import { deleteExpiredTickets } from './ticket-queries.ts'
import { resealTokens } from './tokens.ts'

const SIGN_IN_DAYS = 31

export function upkeep({ db }: UpkeepDeps): Upkeep {
  return {
    signIns: () => deleteStaleSignIns(db, SIGN_IN_DAYS),
    windowTickets: () => deleteExpiredTickets(db),
    panelCalls: () => deletePanelCalls(db),
  }
}

/** What an older secret sealed, sealed with the first one. */
export function seals(deps: UpkeepDeps): Promise<number> {
  return resealEach(
    (after, limit) => listSignInsSealedWith(deps.db, deps.sealer.older, after, limit),
    row => replaceTokens(deps.db, row, resealTokens(deps, row)),
    row => row.id,
    deps.stopping,
  )
}
