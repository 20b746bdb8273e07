import { mkdir, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { type Db, openDatabase } from '../db/db.ts'
import { listen } from '../db/listen.ts'
import type { Deps } from '../deps.ts'
import { createGateway } from '../gateway/client.ts'
import { tellPicture } from '../images/check.ts'
import { startImageWorker } from '../images/worker.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { createSealer } from '../secrets/sealer.ts'
import { startSettling } from '../spend/worker.ts'
import { planStop } from '../stopping.ts'
import { openSpill, type Spill } from '../storage/spill.ts'
import { openStorage, type Storage, StorageError } from '../storage/storage.ts'
import { loadStaticFiles } from '../web/static.ts'
import { startJobs } from '../work/queues.ts'
import { WAKES } from '../work/worker.ts'
import type { Order, Report, Step } from './stepped.ts'

// A worker process made of the same parts as any other, whose database and store stand still at a step of a job, tell
// the parent, and go on when it says so. Also a store that fails when told to.
const config = JSON.parse(process.env.TEST_CONFIG!) as Config
const steps = new Map(Object.entries(JSON.parse(process.env.TEST_STEPS!) as Record<string, Step>))
const jobOfToken = new Map<string, string>()
const resumed = Promise.withResolvers<void>()
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

async function reach(job: unknown, step: Step): Promise<void> {
  if (steps.get(String(job)) !== step) return
  steps.delete(String(job))
  report({ job: String(job), at: step })
  await resumed.promise
}

const Named = z.object({ id: z.string(), tokens: z.array(z.string()) })

/** The statements that are steps are known by their text: the queries have no other mark. */
function stepped<D extends Db>(db: D): D {
  return {
    ...db,
    async maybeOne(schema, sql, params) {
      const job = params?.[0]
      const isCall = sql.includes('set called_at = now()')
      if (isCall) await reach(job, 'claimed')
      const row = await db.maybeOne(schema, sql, params)
      const { tokens } = Named.safeParse(row).data ?? {}
      for (const token of tokens ?? []) jobOfToken.set(token, String(job))
      if (isCall) await reach(job, 'marked')
      return row
    },
    async run(sql, params) {
      const changed = await db.run(sql, params)
      if (sql.includes('set spilled_by = $3, version')) await reach(params![0], 'bound')
      if (sql.includes('made_at = coalesce')) await reach(params![0], 'made')
      return changed
    },
    async transaction(work) {
      const seen: { filed?: unknown; ended?: unknown } = {}
      const result = await db.transaction(async tx => {
        const done = await work({
          ...tx,
          run(sql, params) {
            if (sql.includes('insert into pictures')) seen.filed = params![2]
            return tx.run(sql, params)
          },
          maybeOne(schema, sql, params) {
            if (sql.includes('update image_jobs set state = $3')) seen.ended = params![0]
            return tx.maybeOne(schema, sql, params)
          },
        })
        if (seen.filed) await reach(seen.filed, 'committing')
        return done
      })
      if (seen.filed) await reach(seen.filed, 'filed')
      if (seen.ended) await reach(seen.ended, 'ended')
      return result
    },
  } as D
}

function breakable(storage: Storage): Storage {
  const check = (operation: 'put' | 'read' | 'delete') => {
    if (storeIsDown) throw new StorageError(operation, { cause: new Error('the test says so') })
  }
  return {
    ...storage,
    async put(name, bytes, options) {
      const job = jobOfToken.get(name)
      await reach(job, 'received')
      if (storeIsDown) report({ job: jobOfToken.get(name.split('.')[0]!) ?? '', at: 'refused' })
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
  leaving: plan.leaving,
  log,
  db: stepped(database),
  gateway: createGateway({ upstream: config.upstream, timeouts: config.gatewayTimeouts, onCall: () => {} }),
  jobs: await startJobs({ url: config.databaseUrl!, works: true, log }),
  listener: listen(database, [WAKES], () => {}),
  storage: breakable(
    openStorage({ localDirectory: `${config.dataDirectory}/assets`, s3: null, keepLocal: false }, log),
  ),
  spill: steppedSpill(openSpill(config.spill.directory, config.spill.limitBytes)),
  sealer: createSealer(config.sessionSecrets),
  staticFiles: loadStaticFiles(),
  metrics: createMetrics(),
}
await deps.storage.ready()
const worker = await startImageWorker(deps)
startSettling(deps, tellPicture)
log.info({ url: 'http://nowhere' }, 'ready')
