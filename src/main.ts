import { createServer, type Server } from 'node:http'
import { setPriority } from 'node:os'
import path from 'node:path'
import { createApp } from './app.ts'
import { answerCalls } from './chat/answer/receipts.ts'
import { titleCalls } from './chat/answer/title.ts'
import { startChatWorker } from './chat/answer/worker.ts'
import { chatNews } from './chat/news.ts'
import type { Config } from './config.ts'
import { startDepartureWorker } from './departures/worker.ts'
import type { Deps } from './deps.ts'
import { startExportWorker } from './exports/worker.ts'
import { startShareWorker } from './gallery/long-share.ts'
import { findUnreachable } from './gateway/reach.ts'
import { openHouse } from './house.ts'
import { hasWork } from './images/claim-queries.ts'
import { startKeyWatch } from './images/keyless.ts'
import { pictureCalls } from './images/receipts.ts'
import { startImportWorker } from './imports/worker.ts'
import { startChangeWorker } from './library/long-change.ts'
import { createLog, type Logger } from './log.ts'
import { runProcess } from './process.ts'
import { promptNews } from './prompts/news.ts'
import { suggestionCalls } from './prompts/suggest.ts'
import { startSettling } from './spend/worker.ts'
import { planStop, stopAll } from './stopping.ts'
import { watchBodies } from './web/slow-bodies.ts'
import { NICENESS, startHelper } from './work/helper.ts'
import { startNews } from './work/news.ts'
import { startPresence } from './work/presence.ts'

const DRAIN_LIMIT_MS = 10_000

export interface Running {
  /** Where it listens, e.g. `http://127.0.0.1:8081`. */
  url: string
  stop(): Promise<void>
}

/**
 * Starts a process of the given role; what is started last is stopped first. `picturesAside`: they are made by a process
 * of their own, which is started when there are any to make.
 */
export async function start(
  config: Readonly<Config>,
  log: Logger = createLog(config.logLevel),
  { picturesAside = false } = {},
): Promise<Running> {
  for (const warning of config.warnings) log.warn(warning)
  const stops: (() => Promise<void>)[] = []
  const plan = planStop(config.shutdownSeconds)
  const stop = () => stopAll(stops.splice(0), plan, log)
  try {
    const databaseUrl = config.databaseUrl ?? (await startOwnPostgres())
    const deps = await openHouse(config, log, databaseUrl, plan, stops)
    const app = createApp(deps)
    stops.push(async () => app.close())
    const server = createServer({ keepAliveTimeout: 65_000, headersTimeout: 60_000, requestTimeout: 0 }, app.handler)
    watchBodies(server, config.bodies)
    const workers: { stop(): Promise<void> }[] = []
    const stopWorkers = () => Promise.all(workers.map(worker => worker.stop()))
    stops.push(async () => void (await Promise.all([closeServer(server, plan.leaving), stopWorkers()])))
    stops.push(async () => app.drain())
    const url = await listen(server, config)
    void tellUnreachable()
    // Not before: a process that finds its port taken must not have begun what is paid for.
    if (config.role !== 'web') {
      workers.push(picturesAside ? makePicturesAside(deps, databaseUrl) : await makePicturesHere(deps))
      workers.push(await startChatWorker(deps))
      workers.push(await startNews(deps, { ...chatNews(deps), ...promptNews(deps) }))
      workers.push(await startExportWorker(deps))
      workers.push(await startImportWorker(deps))
      workers.push(await startChangeWorker(deps))
      workers.push(await startShareWorker(deps))
      workers.push(await startDepartureWorker(deps))
      workers.push(startSettling(deps, [pictureCalls, answerCalls, titleCalls, ...Object.values(suggestionCalls)]))
      workers.push(startKeyWatch(deps))
      // Nobody waits for these.
      startUpkeep(deps).catch(error =>
        log.error({ err: error }, 'the queue could not be started: nothing is tidied up'),
      )
    }
    stops.push(startPresence(deps))
    log.info({ url, role: config.role, upstream: config.upstream }, 'ready')
    return { url, stop }
  } catch (error) {
    // What could not be stopped is in the log; why we could not start matters more.
    await stop().catch(() => undefined)
    throw error
  }

  /** Pages and jobs go on meanwhile: it may come up later. */
  async function tellUnreachable(): Promise<void> {
    const found = await findUnreachable(config.upstream)
    if (found) log.warn({ todo: found.todo }, found.detail)
  }

  async function startOwnPostgres(): Promise<string> {
    const directory = path.join(config.dataDirectory, 'postgres')
    const { startEmbeddedPostgres } = await import('./postgres/embedded.ts')
    const postgres = await startEmbeddedPostgres({ directory, log: line => log.debug({ line }, 'postgres') })
    stops.push(() => postgres.stop())
    log.info(
      { directory, adopted: postgres.adopted },
      'no DATABASE_URL: using the embedded Postgres, for one machine only',
    )
    return postgres.url
  }
}

async function startUpkeep(deps: Deps): Promise<void> {
  const [{ measureOutside }, { startHousekeeping }] = await Promise.all([
    import('./images/measure-outside.ts'),
    import('./upkeep/hourly.ts'),
  ])
  await deps.jobs.work('image-outside', { batch: 1, pollSeconds: 2 }, async payloads => {
    for (const payload of payloads) await measureOutside(deps, payload)
  })
  await startHousekeeping(deps)
}

async function makePicturesHere(deps: Deps): Promise<{ stop(): Promise<void> }> {
  const { startImageWorker } = await import('./images/worker.ts')
  return startImageWorker(deps)
}

/** Making pictures takes a core; the pages of people come first. */
function makePicturesAside(deps: Deps, databaseUrl: string): { stop(): Promise<void> } {
  return startHelper(deps, {
    kind: 'image',
    entry: path.join(import.meta.dirname, 'pictures.ts'),
    // Where this process has made them up, nobody else could know them.
    environment: { DATABASE_URL: databaseUrl, SESSION_SECRET: deps.config.sessionSecrets.join(',') },
    isWanted: async () => (await hasWork(deps.db)) || (await deps.spill.list('job')).length > 0,
  })
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

if (import.meta.main) {
  await runProcess((config, log) => {
    if (config.role === 'worker') setPriority(NICENESS)
    return start(config, log, { picturesAside: config.role === 'all' })
  })
}
