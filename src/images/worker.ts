import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../work/worker.ts'
import { type ClaimedJob, jobLeases } from './claim-queries.ts'
import { makePictures } from './make.ts'
import { watchReadiness } from './readiness.ts'
import { createJobRefiler, unbindUnspilled } from './spill.ts'
import { recover } from './sweep.ts'

/** Makes pictures in this process. */
export function startImageWorker(deps: Deps): Promise<Worker<ClaimedJob>> {
  const blockage = watchReadiness(deps)
  const refile = createJobRefiler(deps)
  const { runningHere, runningPerUser, runningTotal } = deps.config.limits
  return startWorker(deps, {
    kind: 'image',
    leases: jobLeases,
    limits: { here: runningHere, perUser: runningPerUser, total: runningTotal },
    running: deps.metrics.jobsRunning,
    isReady: async () => (await blockage()) === null,
    run: (job, run) => makePictures(deps, job, run),
    recover: job => recover(deps, job),
    sweep: claimsHere => unbindUnspilled(deps, claimsHere),
    async tick(claimsHere) {
      await blockage()
      await refile(claimsHere)
    },
  })
}
