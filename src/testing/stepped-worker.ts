import { mkdir, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { openDatabase } from '../db/db.ts'
import { listen } from '../db/listen.ts'
import type { Deps } from '../deps.ts'
import { createGateway } from '../gateway/client.ts'
import { pictureCalls } from '../images/receipts.ts'
import { startImageWorker } from '../images/worker.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { createSealer } from '../secrets/sealer.ts'
import { startSettling } from '../spend/worker.ts'
import { planStop } from '../stopping.ts'
import { openSpill, type Spill } from '../storage/spill.ts'
import { openStorage, type Storage, StorageError } from '../storage/storage.ts'
import { openTraces } from '../tracing.ts'
import { loadStaticFiles } from '../web/static.ts'
import { openJobs } from '../work/queues.ts'
import { WAKES } from '../work/worker.ts'
import type { Order, Report, Step } from './stepped.ts'

// A worker process made of the same parts as any other, that stands still at a step of a job, tells the parent, and
// goes on when it says so. Also a store that fails when told to.
const config = JSON.parse(process.env.TEST_CONFIG!) as Config
const steps = new Map(Object.entries(JSON.parse(process.env.TEST_STEPS!) as Record<string, Step>))
const resumed = Promise.withResolvers<void>()
const jobOfToken = new Map<string, string>()
let storeIsDown = process.env.TEST_STORE === 'down'

process.on('message', (order: Order) => {
  if (order === 'stop') void stop()
  else if (order === 'leave') plan.begin()
  else if (order === 'go on') resumed.resolve()
  else storeIsDown = order === 'store down'
})

/** As `main` does it; `stopping` is reported when nothing more is sent. */
async function stop(): Promise<void> {
  const stopped = worker.stop()
  report({ job: '', at: 'stopping' })
  await stopped
  process.exit(0)
}

process.on('disconnect', () => process.exit())

const report = (what: Report) => void process.send!(what)

async function reach(job: string, step: Report['at']): Promise<void> {
  if (steps.get(job) !== step) return
  steps.delete(job)
  report({ job, at: step })
  await resumed.promise
}

/** By the names of its files, which do not change. */
async function jobOf(name: string): Promise<string> {
  const [token = ''] = name.split('.')
  const find = 'select id from image_jobs where $1 = any(tokens)'
  const known = jobOfToken.get(token) ?? (await database.maybeOne(z.object({ id: z.string() }), find, [token]))?.id
  if (known) jobOfToken.set(token, known)
  return known ?? ''
}

function breakable(storage: Storage): Storage {
  const check = (operation: 'put' | 'read' | 'delete') => {
    if (storeIsDown) throw new StorageError(operation, { cause: new Error('the test says so') })
  }
  return {
    ...storage,
    async put(name, bytes, options) {
      const job = steps.size > 0 || storeIsDown ? await jobOf(name).catch(() => '') : ''
      await reach(job, 'received')
      if (storeIsDown) report({ job, at: 'refused' })
      check('put')
      await storage.put(name, bytes, options)
      await reach(job, 'half_stored')
    },
    async read(name) {
      check('read')
      return storage.read(name)
    },
    async delete(name) {
      check('delete')
      await storage.delete(name)
    },
  }
}

function steppedSpill(spill: Spill): Spill {
  return {
    ...spill,
    async put(work, position, bytes) {
      if (steps.get(work) === 'half_spilled') {
        await mkdir(`${config.spill.directory}/${work}`, { recursive: true })
        await writeFile(`${config.spill.directory}/${work}/.0123456789abcdef01234567.tmp`, bytes.subarray(0, 1000))
        await reach(work, 'half_spilled')
      }
      await spill.put(work, position, bytes)
      await reach(work, 'spilled')
    },
    async putNote(work, note) {
      await spill.putNote(work, note)
      await reach(work, 'noted')
    },
  }
}

const plan = planStop(0)
const log = createLog('info')
const database = openDatabase({ url: config.databaseUrl!, max: config.databaseConnections, log: () => {} })
const deps: Deps = {
  config,
  stopping: plan.stopping,
  leaving: plan.leaving,
  log,
  db: database,
  gateway: createGateway({ upstream: config.upstream, timeouts: config.gatewayTimeouts, onCall: () => {} }),
  jobs: openJobs({ url: config.databaseUrl!, works: true, log }),
  listener: listen(database, [WAKES], () => {}),
  storage: breakable(
    openStorage({ localDirectory: `${config.dataDirectory}/assets`, s3: null, keepLocal: false }, log),
  ),
  spill: steppedSpill(openSpill(config.spill.directory, config.spill.limitBytes)),
  sealer: createSealer(config.sessionSecrets),
  staticFiles: loadStaticFiles(),
  metrics: createMetrics(),
  traces: await openTraces(config, log),
  at: (step, job) => reach(job, step),
}
await deps.storage.ready()
const worker = await startImageWorker(deps)
startSettling(deps, [pictureCalls])
log.info({ url: 'http://nowhere' }, 'ready')
