import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import { openBrowser } from './testing/browser.ts'
import { ask, jobEnd } from './testing/jobs.ts'
import { alice, signedIn } from './testing/people.ts'
import { startProcess } from './testing/process.ts'
import { type TestApp, testApp, until } from './testing/server.ts'

let app: TestApp

before(async () => {
  app = await testApp({ role: 'web' })
})

test('a process that does everything has pictures made beside it, behind everybody else, and counts them', async () => {
  const { url, child } = await startProcess(app, { PLAYGROUND_ROLE: 'all' })
  assert.deepEqual(await childrenOf(child.pid!), [], 'nobody while there is nothing to make')

  const person = await alice(app)
  const job = await ask(person, 'A picture made aside')
  const [helper] = await until('somebody who makes it', async () => {
    const children = await childrenOf(child.pid!)
    return children.length > 0 && children
  })
  assert.equal((await jobEnd(app.db, job)).state, 'done')
  assert.equal(helper!.nice, 10)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  assert.match(metrics, /^playground_pictures_total 1$/m)
  assert.match(metrics, /^process_start_time_seconds \d+$/m)

  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.ok(!(await isThere(helper!.pid)), 'it ends first')
})

test('who makes pictures for a process that was killed ends with it, and loses none', async () => {
  const { child } = await startProcess(app, { PLAYGROUND_ROLE: 'all', PLAYGROUND_SHUTDOWN_SECONDS: '10' })
  const person = await alice(app)
  const held = app.mock.control.fault({ match: { prompt: 'under way' }, hold: 'before_headers' })
  const job = await ask(person, 'A picture under way')
  await app.mock.control.waitForCalls(1, { email: person.email, path: '/v1/images/generations' })
  const [helper] = await childrenOf(child.pid!)
  child.kill('SIGKILL')
  app.mock.control.release(held)
  assert.equal((await jobEnd(app.db, job)).state, 'done')
  await until('it to end', async () => !(await isThere(helper!.pid)))
})

test('a process that was told nothing but the gateway, and makes up its database and secret, makes pictures too', async () => {
  const directory = path.join(app.config.dataDirectory, 'alone')
  const nothing = { DATABASE_URL: '', SESSION_SECRET: '', PLAYGROUND_DATA_DIR: directory }
  const { url, child } = await startProcess(app, { PLAYGROUND_ROLE: 'all', ...nothing })
  const person = await signedIn(
    app,
    'alone@example.com',
    openBrowser(url, () => {}),
  )
  assert.equal((await person.post('/images', { prompt: 'In a house of its own' })).status, 303)
  await app.mock.control.waitForCalls(1, { email: person.email, path: '/v1/images/generations' }, 30_000)
  child.kill('SIGTERM')
  await once(child, 'exit')
})

async function childrenOf(parent: number): Promise<{ pid: number; nice: number }[]> {
  const found: { pid: number; nice: number }[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    // The second field is a name, which may hold spaces; then state, parent, and as the 19th the nice value (proc(5)).
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[1]) === parent) found.push({ pid: Number(name), nice: Number(fields[16]) })
  }
  return found
}

async function isThere(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !stat.includes(') Z ')
}
