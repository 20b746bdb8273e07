import { createServer, type Server } from 'node:http'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createApp } from './app.ts'
import { tellAnswer } from './chat/answer/check.ts'
import { startChatWorker } from './chat/answer/worker.ts'
import { chatNews } from './chat/news.ts'
import { CHANNEL } from './chat/notify-queries.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { openDatabase } from './db/db.ts'
import { listen as listenTo } from './db/listen.ts'
import { migrate } from './db/migrate.ts'
import { createGateway } from './gateway/client.ts'
import { tellPicture } from './images/check.ts'
import { measureOutside } from './images/measure-outside.ts'
import { startImageWorker } from './images/worker.ts'
import { createLog, type Logger } from './log.ts'
import { createMetrics } from './metrics.ts'
import { startEmbeddedPostgres } from './postgres/embedded.ts'
import { createSealer } from './secrets/sealer.ts'
import { startSettling } from './spend/worker.ts'
import { planStop, stopAll } from './stopping.ts'
import { proveStorage } from './storage/prove.ts'
import { openSpill } from './storage/spill.ts'
import { openStorage } from './storage/storage.ts'
import { startHousekeeping } from './upkeep/hourly.ts'
import { watchBodies } from './web/slow-bodies.ts'
import { loadStaticFiles } from './web/static.ts'
import { startNews } from './work/news.ts'
import { startJobs } from './work/queues.ts'
import { WAKES } from './work/worker.ts'

const DRAIN_LIMIT_MS = 10_000
const FIRST_PROOF_MS = 200

export interface Running {
  /** Where it listens, e.g. `http://127.0.0.1:8081`. */
  url: string
  stop(): Promise<void>
}

/** Starts a process of the given role; what is started last is stopped first. */
export async function start(config: Readonly<Config>, log: Logger = createLog(config.logLevel)): Promise<Running> {
  const stops: (() => Promise<void>)[] = []
  const plan = planStop(config.shutdownSeconds)
  const stop = () => stopAll(stops.splice(0), plan, log)
  try {
    const works = config.role !== 'web'
    const databaseUrl = config.databaseUrl ?? (await startOwnPostgres())
    const db = openDatabase({
      url: databaseUrl,
      max: config.databaseConnections,
      log: error => log.warn({ err: error }, 'a database connection was lost'),
    })
    stops.push(() => db.close())
    const applied = await migrate(db)
    if (applied.length > 0) log.info({ applied }, 'the database was migrated')

    const metrics = createMetrics()
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
      onCall: ({ name, status, ms }) =>
        metrics.gatewayCalls.observe({ call: name, outcome: String(status) }, ms / 1000),
    })
    stops.push(() => gateway.close())
    const jobs = await startJobs({ url: databaseUrl, works, log })
    stops.push(() => jobs.stop())

    const listener = listenTo(db, [CHANNEL, WAKES], error =>
      log.warn({ err: error }, 'the database could not be listened to'),
    )
    stops.push(() => listener.close())

    const sealer = createSealer(config.sessionSecrets)
    const deps = {
      config,
      db,
      gateway,
      jobs,
      listener,
      storage,
      spill,
      sealer,
      staticFiles: loadStaticFiles(),
      leaving: plan.leaving,
      log,
      metrics,
    }
    const app = createApp(deps)
    stops.push(async () => app.close())
    const server = createServer({ keepAliveTimeout: 65_000, headersTimeout: 60_000, requestTimeout: 0 }, app.handler)
    watchBodies(server, config.bodies)
    const workers: { stop(): Promise<void> }[] = []
    const stopWorkers = () => Promise.all(workers.map(worker => worker.stop()))
    stops.push(async () => void (await Promise.all([closeServer(server, plan.leaving), stopWorkers()])))
    stops.push(async () => app.drain())
    const url = await listen(server, config)
    // Not before: a process that finds its port taken must not have begun what is paid for.
    if (works) {
      workers.push(await startImageWorker(deps))
      workers.push(await startChatWorker(deps))
      workers.push(await startNews(deps, chatNews(deps)))
      const tellers = { picture: tellPicture, answer: tellAnswer, title: async () => undefined }
      workers.push(startSettling(deps, (tx, receipt, verdict) => tellers[receipt.kind](tx, receipt, verdict)))
      await jobs.work('image-outside', { batch: 1, pollSeconds: 2 }, async payloads => {
        for (const payload of payloads) await measureOutside(deps, payload)
      })
      await startHousekeeping(deps)
    }
    log.info({ url, role: config.role, upstream: config.upstream }, 'ready')
    return { url, stop }
  } catch (error) {
    // What could not be stopped is in the log; why we could not start matters more.
    await stop().catch(() => undefined)
    throw error
  }

  async function startOwnPostgres(): Promise<string> {
    const directory = path.join(config.dataDirectory, 'postgres')
    const postgres = await startEmbeddedPostgres({ directory, log: line => log.debug({ line }, 'postgres') })
    stops.push(() => postgres.stop())
    log.info(
      { directory, adopted: postgres.adopted },
      'no DATABASE_URL: using the embedded Postgres, for one machine only',
    )
    return postgres.url
  }
}

function listen(server: Server, config: Readonly<Config>): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : config.port
      resolve(`http://${config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host}:${port}`)
    })
  })
}

/** Lets requests under way finish. A keep-alive connection that was busy when we began would stay open for a minute. */
async function closeServer(server: Server, leaving: AbortSignal): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  const idle = setInterval(() => server.closeIdleConnections(), 100)
  const cut = () => server.closeAllConnections()
  const limit = setTimeout(cut, DRAIN_LIMIT_MS)
  leaving.addEventListener('abort', cut)
  await closed
  leaving.removeEventListener('abort', cut)
  clearInterval(idle)
  clearTimeout(limit)
}

async function main(): Promise<void> {
  let config: Readonly<Config>
  try {
    config = loadConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 78
    return
  }
  const log = createLog(config.logLevel)
  const running = await start(config, log)
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      log.info({ signal }, 'stopping')
      running.stop().then(
        () => process.exit(0),
        error => {
          log.fatal({ err: error }, 'stopping failed')
          process.exit(1)
        },
      )
    })
  }
}

if (import.meta.main) await main()
