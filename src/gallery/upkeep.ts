import { bareChecksum } from '../library/uploads.ts'
import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { deleteOldShares } from './long-share-queries.ts'
import { listNotBare, setBare } from './moderation-queries.ts'
import { deleteExpired } from './queries.ts'

const PAGE = 100
/** Each is read and looked through: the others wait for the next hour. */
const MOST_LOOKED_AT = 5000

/** What is done once an hour. */
export function upkeep(deps: UpkeepDeps): Upkeep {
  return {
    exhibits: () => deleteExpired(deps.db),
    shares: () => deleteOldShares(deps.db),
    bare: () => learnBare(deps),
  }
}

/** So that what operators have hidden is found in every file that shows it, whoever hung it and when. */
async function learnBare(deps: UpkeepDeps): Promise<number> {
  let learnt = 0
  let after = ''
  for (let seen = 0; seen < MOST_LOOKED_AT; seen += PAGE) {
    const tokens = await listNotBare(deps.db, after, PAGE)
    for (const token of tokens) {
      if (deps.stopping.aborted) return learnt
      const bare = await bareChecksum(deps, token)
      if (!bare) continue
      await deps.db.transaction(tx => setBare(tx, token, bare))
      learnt++
    }
    if (tokens.length < PAGE) break
    after = tokens.at(-1)!
  }
  return learnt
}
