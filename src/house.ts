import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CHANNEL } from './chat/notify-queries.ts'
import type { Config } from './config.ts'
import { type Database, openDatabase } from './db/db.ts'
import { listen } from './db/listen.ts'
import { migrate } from './db/migrate.ts'
import { listProcesses, processName } from './db/processes.ts'
import type { Deps } from './deps.ts'
import { createGateway } from './gateway/client.ts'
import { searchNotes } from './library/search-probe.ts'
import type { Logger } from './log.ts'
import { createMetrics } from './metrics.ts'
import { createSealer, type Sealer } from './secrets/sealer.ts'
import type { StopPlan } from './stopping.ts'
import { proveStorage } from './storage/prove.ts'
import { openSpill } from './storage/spill.ts'
import { openStorage } from './storage/storage.ts'
import { openTraces } from './tracing.ts'
import { loadStaticFiles } from './web/static.ts'
import { openJobs } from './work/queues.ts'
import { WAKES } from './work/worker.ts'

const FIRST_PROOF_MS = 200
const GONE_MS = 5_000

/** Opens what every process of this installation is built from; how to close it goes behind what is in `stops`. */
export async function openHouse(
  config: Readonly<Config>,
  log: Logger,
  databaseUrl: string,
  plan: StopPlan,
  stops: (() => Promise<void>)[],
): Promise<Deps> {
  const sealer = createSealer(config.sessionSecrets)
  const db = openDatabase({
    url: databaseUrl,
    max: config.databaseConnections,
    applicationName: processName([sealer.current, ...sealer.older]),
    log: error => log.warn({ err: error }, 'a database connection was lost'),
  })
  stops.push(() => db.close())
  await refuseStrangers(db, sealer)
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
  const staticFiles = loadStaticFiles()
  const { stopping, leaving } = plan
  const kept = { storage, spill, sealer, staticFiles }
  return { config, db, gateway, jobs, listener, ...kept, stopping, leaving, log, metrics, traces }
}

/** Of two processes that share no secret neither opens what the other seals, which would show as keys that are lost. */
async function refuseStrangers(db: Database, { current, older }: Sealer): Promise<void> {
  const own = [current, ...older].map(id => id.toString('hex'))
  const isStranger = (known: string[]) => !known.some(id => own.includes(id))
  // One that has just ended is still seen for a moment.
  for (const end = Date.now() + GONE_MS; (await listProcesses(db)).some(isStranger); await delay(100)) {
    if (Date.now() < end) continue
    throw new Error(
      'another process runs on this database with another SESSION_SECRET: give all the same, or while it changes SESSION_SECRET=new,old',
    )
  }
}
