import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../worker.ts'
import { makePictures } from './make.ts'
import * as queries from './queries.ts'
import { createJobRefiler, unbindUnspilled } from './spill.ts'
import { sweepAbandoned } from './sweep.ts'

/** Makes pictures in this process. */
export function startImageWorker(deps: Deps): Promise<Worker<queries.ClaimedJob>> {
  const { runningHere, runningPerUser, runningTotal } = deps.config.limits
  const { leaseSeconds } = deps.config.worker
  const claim = (slots: number) =>
    queries.claimJobs(deps.db, { slots, perUser: runningPerUser, total: runningTotal, leaseSeconds })
  let hadRoom = true
  const hasRoom = async () => {
    const room = await deps.spill.hasRoom()
    if (room !== hadRoom) deps.log.warn({ spill: await deps.spill.status(), room }, 'room for spilled pictures')
    hadRoom = room
    return room
  }
  return startWorker(deps, {
    queue: 'image',
    slots: runningHere,
    running: deps.metrics.jobsRunning,
    // Nothing is begun that could not be kept.
    claim: async slots => (deps.storage.isProven() && (await hasRoom()) ? claim(slots) : []),
    run: (job, run) => makePictures(deps, job, run),
    listCancelled: claims => queries.listCancelled(deps.db, claims),
    extendLeases: claims => queries.extendLeases(deps.db, claims, leaseSeconds),
    sweep: async claimsHere => {
      await sweepAbandoned(deps, leaseSeconds, claimsHere)
      await unbindUnspilled(deps, claimsHere)
    },
    tick: createJobRefiler(deps),
  })
}
