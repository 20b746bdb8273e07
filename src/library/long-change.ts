import type { Deps } from '../deps.ts'
import { type Run, startWorker, type Worker } from '../work/worker.ts'
import { type ClaimedChange, changeLeases, doPart } from './long-change-queries.ts'

const AGAIN_SECONDS = 10

/** Changes very many pictures in this process, part by part, one person's one change at a time. */
export function startChangeWorker(deps: Deps): Promise<Worker<ClaimedChange>> {
  return startWorker(deps, {
    kind: 'change',
    leases: changeLeases,
    limits: { here: 2, perUser: 1 },
    run: (change, run) => makeChange(deps, change, run),
    recover: change => changeLeases.requeue(deps.db, change, 0),
  })
}

async function makeChange(deps: Deps, change: ClaimedChange, { signal }: Run): Promise<void> {
  try {
    await deps.at?.('claimed', change.id)
    while (await deps.db.transaction(tx => doPart(tx, change))) {
      await deps.at?.('part', change.id)
      // Stopped by its person it says so itself, with the next part.
      if (signal.reason === 'shutdown') return await changeLeases.requeue(deps.db, change, 0)
    }
    if (change.did === 'empty') await deps.jobs.send(deps.db, 'housekeeping', {})
  } catch (error) {
    deps.log.warn({ err: error, change: change.id }, 'a change could not go on')
    await changeLeases.requeue(deps.db, change, AGAIN_SECONDS)
  }
}
