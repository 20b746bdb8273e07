import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../worker.ts'
import { makePictures } from './make.ts'
import * as queries from './queries.ts'
import { sweepAbandoned } from './sweep.ts'

/** Makes pictures in this process. */
export function startImageWorker(deps: Deps): Promise<Worker<queries.ClaimedJob>> {
  const { runningHere, runningPerUser, runningTotal } = deps.config.limits
  const { leaseSeconds } = deps.config.worker
  return startWorker(deps, {
    queue: 'image',
    slots: runningHere,
    running: deps.metrics.jobsRunning,
    claim: slots => queries.claimJobs(deps.db, { slots, perUser: runningPerUser, total: runningTotal, leaseSeconds }),
    run: (job, signal) => makePictures(deps, job, signal),
    listCancelled: claims => queries.listCancelled(deps.db, claims),
    extendLeases: claims => queries.extendLeases(deps.db, claims, leaseSeconds),
    sweep: claimsHere => sweepAbandoned(deps, leaseSeconds, claimsHere),
  })
}
