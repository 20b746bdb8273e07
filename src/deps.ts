import type { Config } from './config.ts'
import type { Database } from './db/db.ts'
import type { Listener } from './db/listen.ts'
import type { Gateway } from './gateway/client.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Sealer } from './secrets/sealer.ts'
import type { Spill } from './storage/spill.ts'
import type { Storage } from './storage/storage.ts'
import type { Traces } from './tracing.ts'
import type { StaticFiles } from './web/static.ts'
import type { Jobs } from './work/queues.ts'
import type { Step } from './work/steps.ts'

/** What a process is built from; every room takes it as its first argument. */
export interface Deps {
  config: Readonly<Config>
  db: Database
  gateway: Gateway
  jobs: Jobs
  /** Hears what other processes tell about conversations. */
  listener: Listener
  storage: Storage
  /** Where what is paid for waits on this machine while the store is away. */
  spill: Spill
  sealer: Sealer
  staticFiles: StaticFiles
  /** Aborted when the process is told to stop: what can be done another time ends at its next item. */
  stopping: AbortSignal
  /** Aborted when a stop waits for nothing any more: what is held goes where it is safe, at once. */
  leaving: AbortSignal
  log: Logger
  /** Given by tests alone, that stand still there; `id` is that of the row. */
  at?(step: Step, id: string): Promise<void>
  metrics: Metrics
  traces: Traces
}
