import { clock } from '../db/clock.ts'
import type { Deps } from '../deps.ts'
import { deleteOrphans } from '../library/keep.ts'
import { holdUser } from '../session/leave-queries.ts'
import { type ClaimedDeparture, deleteDeparture, departureLeases, insertDeparture } from './queries.ts'
import { closeAll, countUnderWay, forgetAll } from './rooms.ts'

const LOOK_SECONDS = 3
const AGAIN_SECONDS = 30
/** A call is waited for until its receipt is written; a worker that holds something and does not come back is not. */
const LONGEST_WAIT_MS = 24 * 3_600_000

/** From now on nobody is signed in, sees or starts anything of this person; what is left goes by and by. Safe to repeat. */
export async function depart({ db }: Pick<Deps, 'db'>, userId: number): Promise<void> {
  await db.transaction(async tx => {
    await insertDeparture(tx, userId)
    await closeAll(tx, userId)
  })
}

/** Deletes all that is a person's, once what was called for them has ended; goes on where another worker has stopped. */
export async function finishDeparture(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'stopping' | 'at'>,
  departure: ClaimedDeparture,
): Promise<void> {
  try {
    await deps.at?.('claimed', departure.id)
    if (!(await forget(deps, departure))) return await departureLeases.requeue(deps.db, departure, LOOK_SECONDS)
    await deps.at?.('part', departure.id)
    // Named in the same transaction: what does not go now goes with the hourly orphans.
    await deleteOrphans(deps)
    if (deps.stopping.aborted) return await departureLeases.requeue(deps.db, departure, 0)
    await deps.at?.('ending', departure.id)
    await deleteDeparture(deps.db, departure)
  } catch (error) {
    deps.log.warn({ err: error, departure: departure.id }, 'a departure could not be finished yet')
    await departureLeases.requeue(deps.db, departure, AGAIN_SECONDS)
  }
}

/** All rows in one transaction, in which nothing new can come in. False while something is under way. */
async function forget({ db }: Pick<Deps, 'db'>, { userId, createdAt }: ClaimedDeparture): Promise<boolean> {
  const now = await clock(db)
  const waitsNoMore = now.getTime() - createdAt.getTime() > LONGEST_WAIT_MS
  // Once more: a request that was on its way when they left may have begun something.
  await db.transaction(tx => closeAll(tx, userId))
  if (!waitsNoMore && (await countUnderWay(db, userId)) > 0) return false
  return db.transaction(async tx => {
    // Whoever writes for this person waits for us from here on. So no row is touched that a worker may hold meanwhile.
    if (!(await holdUser(tx, userId))) return true
    if (!waitsNoMore && (await countUnderWay(tx, userId)) > 0) return false
    await forgetAll(tx, userId)
    return true
  })
}
