import { deleteExpired } from '../agents/queries.ts'
import { CHALLENGE_SECONDS } from '../agents/sign-in.ts'
import { forgetDeleted } from '../chat/archive/keep.ts'
import type { Deps } from '../deps.ts'
import { deleteUnusedMasks } from '../images/mask-queries.ts'
import { deleteOrphans, emptyTrash } from '../library/keep.ts'
import { deletePanelCalls } from '../session/panel-queries.ts'
import { deleteStaleSignIns } from '../session/queries.ts'
import { deleteExpiredCounts } from '../web/rate-limit.ts'
import { resealAll } from './reseal.ts'

const TRASH_DAYS = 30
const SIGN_IN_DAYS = 31
const PENDING_KEY_DAYS = 7
const HOUR_MS = 3_600_000

/** Once an hour, in one process: what has expired goes, and what an older secret sealed is sealed anew. */
export async function startHousekeeping(deps: Deps): Promise<void> {
  await deps.jobs.work('housekeeping', { batch: 1, pollSeconds: 30 }, () => keepHouse(deps))
  await deps.jobs.schedule('housekeeping', '17 * * * *', {})
}

/** Every part is tried, whatever becomes of the others; what failed is tried again in an hour. */
export async function keepHouse(deps: Pick<Deps, 'db' | 'storage' | 'config' | 'log' | 'sealer'>): Promise<void> {
  const parts = {
    pictures: () => emptyTrash(deps, TRASH_DAYS),
    conversations: () => forgetDeleted(deps, TRASH_DAYS),
    // After what names them.
    orphans: () => deleteOrphans(deps),
    masks: () => deleteUnusedMasks(deps.db),
    signIns: () => deleteStaleSignIns(deps.db, SIGN_IN_DAYS),
    agents: () => deleteExpired(deps.db, CHALLENGE_SECONDS, PENDING_KEY_DAYS),
    counts: () => deleteExpiredCounts(deps.db),
    panelCalls: () => deletePanelCalls(deps.db),
    seals: () => resealAll(deps),
    temporary: () => deps.storage.sweepTemporary(HOUR_MS),
  }
  const done: Record<string, number> = {}
  for (const [part, sweep] of Object.entries(parts)) {
    try {
      done[part] = await sweep()
    } catch (error) {
      deps.log.error({ err: error, part }, 'housekeeping failed')
    }
  }
  deps.log.info(done, 'housekeeping')
}
