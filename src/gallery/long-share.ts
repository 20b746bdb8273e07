import type { Deps } from '../deps.ts'
import { type Run, startWorker, type Worker } from '../work/worker.ts'
import {
  advanceShare,
  type ClaimedShare,
  endShare,
  holdShare,
  listSharePictures,
  shareLeases,
} from './long-share-queries.ts'
import { bareOf, hangAll, hangable } from './share.ts'

const AGAIN_SECONDS = 10
// Short enough that progress is seen, and that nobody who deletes one of them has to wait.
const PART = 100

/** Shows very many pictures in this process, part by part, one person's one share at a time. */
export function startShareWorker(deps: Deps): Promise<Worker<ClaimedShare>> {
  return startWorker(deps, {
    kind: 'share',
    leases: shareLeases,
    limits: { here: 2, perUser: 1 },
    run: (claimed, run) => showAll(deps, claimed, run),
    recover: claimed => shareLeases.requeue(deps.db, claimed, 0),
  })
}

async function showAll(deps: Deps, claimed: ClaimedShare, { signal }: Run): Promise<void> {
  try {
    await deps.at?.('claimed', claimed.id)
    for (let done: number | null = claimed.done; ; ) {
      done = await showPart(deps, claimed, done)
      if (done === null) return
      await deps.at?.('part', claimed.id)
      // Stopped by its person it says so itself, with the next part.
      if (signal.reason === 'shutdown') return await shareLeases.requeue(deps.db, claimed, 0)
    }
  } catch (error) {
    deps.log.warn({ err: error, share: claimed.id }, 'sharing could not go on')
    await shareLeases.requeue(deps.db, claimed, AGAIN_SECONDS)
  }
}

/** What stands behind `done`: how far it is then. Null at its end, when it was stopped, and when the claim does not hold any more. */
export async function showPart(
  deps: Pick<Deps, 'db' | 'storage' | 'log'>,
  claimed: ClaimedShare,
  done: number,
): Promise<number | null> {
  const { id, userId } = claimed
  const ids = await listSharePictures(deps.db, id, { after: done, limit: PART })
  const bare = await bareOf(deps, userId, ids)
  return deps.db.transaction(async tx => {
    const held = await holdShare(tx, claimed)
    if (!held || held.done !== done) return null
    if (held.isStopped || ids.length === 0) {
      await endShare(tx, id, held.isStopped ? 'stopped' : 'done')
      return null
    }
    const { files } = await hangable(tx, userId, ids, bare)
    await advanceShare(tx, id, ids.length, await hangAll(tx, files, claimed))
    return done + ids.length
  })
}
