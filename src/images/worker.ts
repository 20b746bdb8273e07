import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../work/worker.ts'
import { type ClaimedJob, claimJobs, extendLeases, listCancelled } from './claim-queries.ts'
import { makePictures } from './make.ts'
import { watchReadiness } from './readiness.ts'
import { createJobRefiler, unbindUnspilled } from './spill.ts'
import { sweepAbandoned } from './sweep.ts'

/** Makes pictures in this process. */
export function startImageWorker(deps: Deps): Promise<Worker<ClaimedJob>> {
  const { runningHere, runningPerUser, runningTotal } = deps.config.limits
  const { leaseSeconds } = deps.config.worker
  const claim = (slots: number) =>
    claimJobs(deps.db, { slots, perUser: runningPerUser, total: runningTotal, leaseSeconds })
  const blockage = watchReadiness(deps)
  const refile = createJobRefiler(deps)
  return startWorker(deps, {
    queue: 'image',
    slots: runningHere,
    running: deps.metrics.jobsRunning,
    claim: async slots => ((await blockage()) === null ? claim(slots) : []),
    run: (job, run) => makePictures(deps, job, run),
    listCancelled: claims => listCancelled(deps.db, claims),
    extendLeases: claims => extendLeases(deps.db, claims, leaseSeconds),
    sweep: async claimsHere => {
      await sweepAbandoned(deps, leaseSeconds, claimsHere)
      await unbindUnspilled(deps, claimsHere)
    },
    async tick(claimsHere) {
      await blockage()
      await refile(claimsHere)
    },
  })
}
