import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../work/worker.ts'
import { again, makeExport } from './make.ts'
import { type ClaimedExport, exportLeases } from './queries.ts'

/** Makes exports in this process, one at a time: they read much, and nobody waits who has not been told so. */
export function startExportWorker(deps: Deps): Promise<Worker<ClaimedExport>> {
  return startWorker(deps, {
    kind: 'export',
    leases: exportLeases,
    limits: { here: 1, perUser: 1 },
    running: deps.metrics.exportsRunning,
    run: (made, run) => makeExport(deps, made, run),
    recover: made => again(deps, made),
  })
}
