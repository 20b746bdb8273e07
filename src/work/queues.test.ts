import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { createLog } from '../log.ts'
import { atEnd, testDatabase } from '../testing/database.ts'
import { until } from '../testing/server.ts'
import { openJobs } from './queues.ts'

const db = await testDatabase()
const log = createLog('silent')

async function connections(): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*)::int from pg_stat_activity
     where application_name = 'sub2api-playground jobs' and datname = current_database()`,
  )
  return count
}

test('a queue that is stopped before it has begun, or while it begins, leaves nothing behind', async () => {
  for (const stopFirst of [true, false]) {
    const jobs = openJobs({ url: db.url, works: true, log })
    if (stopFirst) await jobs.stop()
    const working = jobs.work('housekeeping', { batch: 1, pollSeconds: 30 }, async () => {}).catch(() => null)
    if (!stopFirst) await jobs.stop()
    await working
    await until('no connection to be left', async () => (await connections()) === 0)
  }
})

test('a queue that could not begin begins when it is needed next, and nothing is left of the first attempt', async () => {
  const jobs = openJobs({ url: db.url, works: true, log })
  atEnd(() => jobs.stop())
  await db.run('alter table pgboss.queue rename to queue_away')
  await assert.rejects(jobs.send(db, 'housekeeping', {}))
  await until('no connection to be left', async () => (await connections()) === 0)
  await db.run('alter table pgboss.queue_away rename to queue')
  await jobs.send(db, 'housekeeping', {})
})
