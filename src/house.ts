import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CHANNEL } from './chat/notify-queries.ts'
import type { Config } from './config.ts'
import { openDatabase } from './db/db.ts'
import { listen } from './db/listen.ts'
import { migrate } from './db/migrate.ts'
import type { Deps } from './deps.ts'
import { createGateway } from './gateway/client.ts'
import { searchNotes } from './library/search-probe.ts'
import type { Logger } from './log.ts'
import { createMetrics } from './metrics.ts'
import { createSealer } from './secrets/sealer.ts'
import type { StopPlan } from './stopping.ts'
import { proveStorage } from './storage/prove.ts'
import { openSpill } from './storage/spill.ts'
import { openStorage } from './storage/storage.ts'
import { openTraces } from './tracing.ts'
import { loadStaticFiles } from './web/static.ts'
import { openJobs } from './work/queues.ts'
import { WAKES } from './work/worker.ts'

const FIRST_PROOF_MS = 200

/** Opens what every process of this installation is built from; how to close it goes behind what is in `stops`. */
export async function openHouse(
  config: Readonly<Config>,
  log: Logger,
  databaseUrl: string,
  plan: StopPlan,
  stops: (() => Promise<void>)[],
): Promise<Deps> {
  const db = openDatabase({
    url: databaseUrl,
    max: config.databaseConnections,
    log: error => log.warn({ err: error }, 'a database connection was lost'),
  })
  stops.push(() => db.close())
  const applied = await migrate(db)
  if (applied.length > 0) log.info({ applied }, 'the database was migrated')
  for (const note of await searchNotes(db)) log.warn(note)

  const metrics = createMetrics()
  const traces = await openTraces(config, log)
  stops.push(() => traces.close())
  const storage = openStorage(
    { localDirectory: path.join(config.dataDirectory, 'assets'), s3: config.s3, keepLocal: config.keepLocalAssets },
    log,
  )
  const proving = new AbortController()
  stops.push(async () => {
    proving.abort()
    await storage.close()
  })
  // A store that is away keeps nobody from the pages, and nobody waits for one that is slow.
  const proof = proveStorage(storage, log, proving.signal)
  await Promise.race([proof, delay(FIRST_PROOF_MS, undefined, { ref: false })])
  const spill = openSpill(config.spill.directory, config.spill.limitBytes)
  const gateway = createGateway({
    upstream: config.upstream,
    timeouts: config.gatewayTimeouts,
    onCall: ({ name, status, ms }) => {
      metrics.gatewayCalls.observe({ call: name, outcome: String(status) }, ms / 1000)
      const failed = status === 0 || status >= 500
      traces.tell({ name: 'gateway call', from: Date.now() - ms, failed, facts: { call: name, status } })
    },
  })
  stops.push(() => gateway.close())
  const jobs = openJobs({ url: databaseUrl, works: config.role !== 'web', log })
  stops.push(() => jobs.stop())

  const listener = listen(db, [CHANNEL, WAKES], error =>
    log.warn({ err: error }, 'the database could not be listened to'),
  )
  stops.push(() => listener.close())
  const sealer = createSealer(config.sessionSecrets)
  const staticFiles = loadStaticFiles()
  const { leaving } = plan
  return { config, db, gateway, jobs, listener, storage, spill, sealer, staticFiles, leaving, log, metrics, traces }
}
