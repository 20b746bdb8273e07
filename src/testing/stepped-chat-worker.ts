import { writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { startChatWorker } from '../chat/answer/worker.ts'
import type { Config } from '../config.ts'
import { type Db, openDatabase } from '../db/db.ts'
import { listen } from '../db/listen.ts'
import type { Deps } from '../deps.ts'
import { createGateway } from '../gateway/client.ts'
import { startImageWorker } from '../images/worker.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { createSealer } from '../secrets/sealer.ts'
import { planStop } from '../stopping.ts'
import { messageOf, openSpill, type Spill } from '../storage/spill.ts'
import { openStorage, type Storage, StorageError } from '../storage/storage.ts'
import { loadStaticFiles } from '../web/static.ts'
import { startJobs } from '../work/queues.ts'
import { WAKES } from '../work/worker.ts'

// A worker process made of the same parts as any other, whose database stands still at a step of a turn (`<conversation>
// <answer | close | call> <moment>`), tells the parent, and goes on when it says so.
const config = JSON.parse(process.env.TEST_CONFIG!) as Config
const steps = new Set(JSON.parse(process.env.TEST_STEPS!) as string[])
const resumed = Promise.withResolvers<void>()
let storeIsDown = process.env.TEST_STORE === 'down'

process.on('message', order => {
  if (order === 'stop') {
    void worker.stop().then(() => process.exit(0))
    process.send!('stopping')
  } else if (order === 'store up') storeIsDown = false
  else resumed.resolve()
})
process.on('disconnect', () => process.exit())

async function reach(step: string): Promise<void> {
  if (!steps.delete(step)) return
  process.send!(step)
  await resumed.promise
}

const Turn = z.object({ conversationId: z.string(), purpose: z.string() })
const Call = z.object({ conversationId: z.string() })

async function turnOf(messageId: unknown): Promise<string> {
  const find = 'select conversation_id, purpose from replies where message_id = $1'
  const { conversationId, purpose } = await database.one(Turn, find, [messageId])
  return `${conversationId} ${purpose}`
}

/** The statements that are steps are known by their text: the queries have no other mark. */
function stepped<D extends Db>(db: D): D {
  return {
    ...db,
    async maybeOne(schema, sql, params) {
      if (!sql.includes('update replies set called_at')) return db.maybeOne(schema, sql, params)
      const turn = await turnOf(params![0])
      await reach(`${turn} claimed`)
      const row = await db.maybeOne(schema, sql, params)
      await reach(`${turn} marked`)
      return row
    },
    async one(schema, sql, params) {
      const row = await db.one(schema, sql, params)
      if (sql.includes('insert into drawn_waiting')) await reach(`${await turnOf(params![0])} told`)
      return row
    },
    async transaction(work) {
      let ended = ''
      let filed = false
      const result = await db.transaction(async tx => {
        const done = await work({
          ...tx,
          async maybeOne(schema, sql, params) {
            if (!sql.includes('update replies set state = $3')) return tx.maybeOne(schema, sql, params)
            const turn = await turnOf(params![0])
            await reach(`${turn} received`)
            ended = `${turn} ended`
            return tx.maybeOne(schema, sql, params)
          },
          async run(sql, params) {
            if (sql.includes('delete from drawn_waiting where message_id')) filed = true
            if (sql.includes('update tool_calls set state = $3')) {
              const find = 'select conversation_id from tool_calls where message_id = $1'
              await reach(`${(await db.one(Call, find, [params![0]])).conversationId} call painted`)
            }
            return tx.run(sql, params)
          },
        })
        if (filed) await reach('picture committing')
        return done
      })
      await reach(ended)
      if (filed) await reach('picture filed')
      return result
    },
  } as D
}

function breakable(storage: Storage): Storage {
  return {
    ...storage,
    async put(name, bytes, options) {
      if (storeIsDown) throw new StorageError('put', { cause: new Error('the test says so') })
      await storage.put(name, bytes, options)
      if (name.endsWith('.thumb')) await reach('picture stored')
    },
  }
}

function steppedSpill(spill: Spill): Spill {
  return {
    ...spill,
    async putNote(work, note) {
      await spill.putNote(work, note)
      await reach(`${await turnOf(messageOf(work))} noted`)
    },
    async put(work, position, bytes) {
      const turn = await turnOf(messageOf(work))
      if (steps.has(`${turn} half_spilled`)) {
        const file = `${config.spill.directory}/${work}/.0123456789abcdef01234567.tmp`
        await writeFile(file, bytes.subarray(0, 1000))
        await reach(`${turn} half_spilled`)
      }
      await spill.put(work, position, bytes)
      await reach(`${turn} spilled`)
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
  db: database,
  gateway: createGateway({ upstream: config.upstream, timeouts: config.gatewayTimeouts, onCall: () => {} }),
  jobs: await startJobs({ url: config.databaseUrl!, works: true, log }),
  listener: listen(database, ['chat', WAKES], () => {}),
  storage: breakable(
    openStorage({ localDirectory: `${config.dataDirectory}/assets`, s3: null, keepLocal: false }, log),
  ),
  spill: steppedSpill(openSpill(config.spill.directory, config.spill.limitBytes)),
  sealer: createSealer(config.sessionSecrets),
  staticFiles: loadStaticFiles(),
  metrics: createMetrics(),
}
await deps.storage.ready()
await startImageWorker(deps)
const worker = await startChatWorker({ ...deps, db: stepped(database) })
log.info({ url: 'http://nowhere' }, 'ready')
