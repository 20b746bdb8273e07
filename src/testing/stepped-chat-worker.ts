import { writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { answerCalls } from '../chat/answer/receipts.ts'
import { titleCalls } from '../chat/answer/title.ts'
import { startChatWorker } from '../chat/answer/worker.ts'
import { chatNews } from '../chat/news.ts'
import type { Config } from '../config.ts'
import { openDatabase } from '../db/db.ts'
import { listen } from '../db/listen.ts'
import type { Deps } from '../deps.ts'
import { createGateway } from '../gateway/client.ts'
import { pictureCalls } from '../images/receipts.ts'
import { startImageWorker } from '../images/worker.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { promptNews } from '../prompts/news.ts'
import { createSealer } from '../secrets/sealer.ts'
import { startSettling } from '../spend/worker.ts'
import { planStop } from '../stopping.ts'
import { messageOf, openSpill, type Spill } from '../storage/spill.ts'
import { openStorage, type Storage, StorageError } from '../storage/storage.ts'
import { openTraces } from '../tracing.ts'
import { loadStaticFiles } from '../web/static.ts'
import { startNews } from '../work/news.ts'
import { openJobs } from '../work/queues.ts'
import type { Step } from '../work/steps.ts'
import { WAKES } from '../work/worker.ts'

// A worker process made of the same parts as any other, that stands still at a step of a turn (`<conversation>
// <answer | close | call | news> <moment>`), tells the parent, and goes on when it says so.
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

async function turnOf(messageId: unknown): Promise<string> {
  const find = 'select conversation_id, purpose from replies where message_id = $1'
  const { conversationId, purpose } = await database.one(Turn, find, [messageId])
  return `${conversationId} ${purpose}`
}

const Told = z.object({ step: z.string() })

/** `<conversation> <answer | close | call | news> <moment>`; of pictures only their moment. */
async function at(step: Step, id: string): Promise<void> {
  if (steps.size === 0) return
  if (step === 'committing' || step === 'filed') return reach(`picture ${step}`)
  const { step: name } = await database.one(
    Told,
    `select coalesce(
       (select conversation_id || ' ' || case $2 when 'heard' then 'news' else purpose end from replies where message_id = $1),
       (select conversation_id || ' call' from tool_calls where message_id = $1), 'other') || ' ' || $2 as step`,
    [id, step],
  )
  await reach(name)
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
  stopping: plan.stopping,
  leaving: plan.leaving,
  log,
  db: database,
  gateway: createGateway({ upstream: config.upstream, timeouts: config.gatewayTimeouts, onCall: () => {} }),
  jobs: openJobs({ url: config.databaseUrl!, works: true, log }),
  listener: listen(database, ['chat', WAKES], () => {}),
  storage: breakable(
    openStorage({ localDirectory: `${config.dataDirectory}/assets`, s3: null, keepLocal: false }, log),
  ),
  spill: steppedSpill(openSpill(config.spill.directory, config.spill.limitBytes)),
  sealer: createSealer(config.sessionSecrets),
  staticFiles: loadStaticFiles(),
  metrics: createMetrics(),
  traces: await openTraces(config, log),
}
await deps.storage.ready()
await startImageWorker(deps)
const steppedDeps = { ...deps, at }
const worker = await startChatWorker(steppedDeps)
await startNews(steppedDeps, { ...chatNews(steppedDeps), ...promptNews(steppedDeps) })
startSettling(deps, [pictureCalls, answerCalls, titleCalls])
log.info({ url: 'http://nowhere' }, 'ready')
