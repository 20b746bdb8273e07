import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGateway } from '../gateway/client.ts'
import { startJobs } from '../jobs.ts'
import { createLog } from '../log.ts'
import { createSealer } from '../secrets/sealer.ts'
import { atEnd } from '../testing/database.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, charlie, signedIn } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { lookUpCosts } from './cost.ts'

const app = await testApp()
const { control } = app.mock

test('whoever signs out in the browser that asked is told the cost in another', async () => {
  const here = await alice(app)
  const hold = control.fault({ match: { prompt: 'signed out meanwhile' }, hold: 'before_headers' })
  const id = await ask(here, 'signed out meanwhile')
  const there = await signedIn(app, here.email)
  await control.waitForCalls(1, { prompt: 'signed out meanwhile', state: 'held' })
  await here.post('/logout')
  control.release(hold)
  await until('the cost', async () => (await jobRow(app.db, id)).cost === 0.134)
  assert.match((await there.get(`/images/${id}`)).text, /\$0\.134/)
})

test('one look that the gateway does not answer keeps nobody else waiting', async () => {
  const log = createLog('silent')
  const jobs = await startJobs({ url: app.db.url, works: false, log })
  atEnd(() => jobs.stop())
  const gateway = createGateway({ upstream: app.mock.url })
  atEnd(() => gateway.close())
  const deps = { ...app, gateway, jobs, log, sealer: createSealer(app.config.sessionSecrets) }
  const people = [await alice(app), await charlie(app)]
  const ids: string[] = []
  for (const person of people) ids.push(await ask(person, 'looked for together'))
  for (const id of ids) await until('the cost', async () => (await jobEnd(app.db, id)).cost)
  await app.db.run(`update image_jobs set cost = null where id = any($1)`, [ids])
  const path = '/api/v1/usage'
  const asked = () => people.map(({ email }) => control.panelCalls({ path, email }).length)
  const before = asked()
  for (const { email } of people) control.fault({ match: { path, email }, hold: 'before_headers' })

  const looking = lookUpCosts(
    deps,
    ids.map(jobId => ({ jobId, attempt: 1 })),
  )
  await until('both questions', async () => asked().every((count, i) => count > before[i]!))
  control.release()
  await looking
  for (const id of ids) assert.equal((await jobRow(app.db, id)).cost, 0.134)
})
