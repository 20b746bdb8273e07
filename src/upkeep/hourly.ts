import * as account from '../account/upkeep.ts'
import * as agents from '../agents/upkeep.ts'
import * as chat from '../chat/upkeep.ts'
import type { Deps } from '../deps.ts'
import * as exports from '../exports/upkeep.ts'
import * as gallery from '../gallery/upkeep.ts'
import * as images from '../images/upkeep.ts'
import * as imports from '../imports/upkeep.ts'
import * as library from '../library/upkeep.ts'
import * as operators from '../operators/upkeep.ts'
import * as prompts from '../prompts/upkeep.ts'
import * as session from '../session/upkeep.ts'
import * as spend from '../spend/upkeep.ts'
import { deleteExpiredCounts } from '../web/rate-limit.ts'
import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'

// The library after those who name what it is to delete.
const rooms = [session, operators, spend, exports, imports, gallery, images, prompts, chat, agents, library]
const sealing = [session, account, images, chat, agents]
const HOUR_MS = 3_600_000

/** Once an hour, in one process: what has expired goes, and what an older secret sealed is sealed anew. */
export async function startHousekeeping(deps: Deps): Promise<void> {
  const pollSeconds = Math.max(1, 2 * deps.config.worker.sweepSeconds)
  await deps.jobs.work('housekeeping', { batch: 1, pollSeconds }, () => keepHouse(deps))
  await deps.jobs.schedule('housekeeping', '17 * * * *', {})
}

/** Every part is tried, whatever becomes of the others; what failed, and what a stop left over, is tried again in an hour. */
export async function keepHouse(deps: UpkeepDeps): Promise<void> {
  const parts: Upkeep = {
    ...Object.assign({}, ...rooms.map(room => room.upkeep(deps))),
    counts: () => deleteExpiredCounts(deps.db),
    seals: () => resealAll(deps),
    temporary: () => deps.storage.sweepTemporary(HOUR_MS, deps.stopping),
  }
  const done: Record<string, number> = {}
  for (const [part, sweep] of Object.entries(parts)) {
    if (deps.stopping.aborted) break
    try {
      done[part] = await sweep()
    } catch (error) {
      deps.log.error({ err: error, part }, 'housekeeping failed')
    }
  }
  deps.log.info(done, 'housekeeping')
}

/** So that the older secret can be dropped. Answers how many rows that were. */
async function resealAll(deps: UpkeepDeps): Promise<number> {
  if (deps.sealer.older.length === 0) return 0
  let total = 0
  for (const seal of sealAnew(deps)) total += await seal()
  return total
}

/** Room by room, what older secrets sealed is sealed by the first; each answers how many rows that were. */
export function sealAnew(deps: UpkeepDeps): (() => Promise<number>)[] {
  return sealing.map(room => () => room.seals(deps))
}
