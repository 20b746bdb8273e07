import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../work/worker.ts'
import { type ClaimedImport, importLeases } from './queries.ts'
import { again, takeImport } from './take.ts'

/** Takes imports apart in this process, one at a time: each picture of them is decoded. */
export function startImportWorker(deps: Deps): Promise<Worker<ClaimedImport>> {
  return startWorker(deps, {
    kind: 'import',
    leases: importLeases,
    limits: { here: 1, perUser: 1 },
    running: deps.metrics.importsRunning,
    run: (taken, run) => takeImport(deps, taken, run),
    recover: taken => again(deps, taken),
  })
}
