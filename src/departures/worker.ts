import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../work/worker.ts'
import { finishDeparture } from './leave.ts'
import { type ClaimedDeparture, departureLeases } from './queries.ts'

export function startDepartureWorker(deps: Deps): Promise<Worker<ClaimedDeparture>> {
  return startWorker(deps, {
    kind: 'departure',
    leases: departureLeases,
    limits: { here: 2, perUser: 1 },
    run: departure => finishDeparture(deps, departure),
    recover: departure => departureLeases.requeue(deps.db, departure, 0),
  })
}
