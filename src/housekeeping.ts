import type { Deps } from './deps.ts'
import { deleteBytes } from './library/keep.ts'
import { purgeDeleted } from './library/queries.ts'
import { deleteStaleSignIns } from './session/queries.ts'
import { deleteExpiredCounts } from './web/rate-limit.ts'

const TRASH_DAYS = 30
const SIGN_IN_DAYS = 31
const HOUR_MS = 3_600_000

/** Once an hour, in one process: what has expired goes. */
export async function startHousekeeping(deps: Deps): Promise<void> {
  await deps.jobs.work('housekeeping', { batch: 1, pollSeconds: 30 }, async () => {
    const tokens = await purgeDeleted(deps.db, TRASH_DAYS)
    for (const token of tokens) await deleteBytes(deps, token)
    const signIns = await deleteStaleSignIns(deps.db, SIGN_IN_DAYS)
    const counts = await deleteExpiredCounts(deps.db)
    const temporary = await deps.storage.sweepTemporary(HOUR_MS)
    deps.log.info({ pictures: tokens.length, signIns, counts, temporary }, 'housekeeping')
  })
  await deps.jobs.schedule('housekeeping', '17 * * * *', {})
}
