import assert from 'node:assert/strict'
import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, before, test } from 'node:test'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { type Db, openDatabase } from '../db/db.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { openBrowser } from '../testing/browser.ts'
import { atEnd, restartablePostgres } from '../testing/database.ts'
import { ask, jobEnd, jobIn, jobRow } from '../testing/jobs.ts'
import { assertNoSecrets } from '../testing/leaks.ts'
import { filesIn, replaceByFile, spills } from '../testing/outage.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { killProcesses } from '../testing/process.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { type Step, startSteppedWorker } from '../testing/stepped.ts'

// The pages come from this process, the pictures from workers whose store goes away. A dead worker is noticed soon.
const worker = { tickSeconds: 0.1, leaseSeconds: 1, sweepSeconds: 0.2, persistSeconds: 1 }
let app: TestApp
before(async () => {
  app = await testApp({ role: 'web', worker })
})

afterEach(killProcesses)

let disks = 0
/** A disk of its own for a worker's spill. */
function disk(limitBytes = app.config.spill.limitBytes): Config['spill'] {
  return { directory: path.join(app.config.dataDirectory, `spill-${++disks}`), limitBytes }
}

const Waiting = z.object({ madeAt: z.date().nullable(), spilledBy: z.string().nullable(), keySecret: z.unknown() })
const waiting = (id: string, db: Db = app.db) => db.one(Waiting, 'select * from image_jobs where id = $1', [id])
const made = (id: string, db: Db = app.db) => until('it to be made', async () => (await waiting(id, db)).madeAt)

const filesOf = ({ directory }: Config['spill']) => filesIn(directory)

async function picturesOf(person: Person, id: string): Promise<Buffer[]> {
  const page = (await person.get(`/images/${id}`)).html
  const tokens = page
    .querySelectorAll('.mosaic a:not([data-label]) img')
    .map(img => img.getAttribute('src')!.split('/')[2])
  return Promise.all(tokens.map(async token => (await person.get(`/files/${token}`)).body))
}

/** Leases run out, and sweeps come by. */
async function sweeps(): Promise<void> {
  const end = performance.now() + 2000 * worker.leaseSeconds
  await until('sweeps', async () => performance.now() > end)
}

test('killed at every step of a spill: what was on the disk is filed when the store is back, and nothing asked twice', async () => {
  const person = await alice(app)
  const spill = disk()
  const cells = [
    ['bound', '1', 'unknown', 0], // the bytes were in memory only
    ['half_spilled', '1', 'unknown', 0],
    ['spilled', '1', 'done', 1],
    ['spilled', '2', 'unknown', 1], // the second was still to come
    ['noted', '2', 'done', 2],
    ['made', '1', 'done', 1],
  ] as const satisfies [Step, string, string, number][]
  const ids: string[] = []
  for (const [step, n] of cells) ids.push(await ask(person, `killed when ${step}, ${n}`, { n }))
  const steps = Object.fromEntries(ids.map((id, i) => [id, cells[i]![0]]))
  const limits = { ...app.config.limits, runningPerUser: 10 }
  // Patient with the database: it stands still for as long as the steps take to be reached.
  const patient = { ...worker, persistSeconds: 600 }
  const doomed = await startSteppedWorker(app, { spill, limits, worker: patient }, steps, 'down')
  for (const [i, [step]] of cells.entries()) await doomed.reached([ids[i]!], step)
  await doomed.kill()

  await startSteppedWorker(app, { spill: disk() })
  await sweeps()
  for (const id of ids) assert.equal((await jobRow(app.db, id)).state, 'running', 'nobody else ends it')
  for (const id of ids.slice(2)) {
    const page = await person.get(`/images/${id}`)
    assert.match(page.html.querySelector('.safe')!.text, /Made and safe on a machine that is not answering/)
  }

  const back = await startSteppedWorker(app, { spill }, {}, 'down')
  for (const id of ids.slice(2)) await made(id)
  await sweeps()
  for (const id of ids.slice(2)) assert.equal((await jobRow(app.db, id)).state, 'running', 'the store is away')
  back.order('store up')
  for (const [i, [step, n, state, pictures]] of cells.entries()) {
    const row = await jobEnd(app.db, ids[i]!)
    assert.deepEqual([step, row.state, row.keySecret], [step, state, null])
    assert.equal((await picturesOf(person, row.id)).length, pictures, step)
    assert.equal(app.mock.control.calls({ prompt: `killed when ${step}, ${n}` }).length, 1, step)
  }
  await until('an empty disk', async () => (await filesOf(spill)).length === 1)
})

test('killed at every step of filing what was spilled: it is filed once', async () => {
  const person = await alice(app)
  const spill = disk()
  const facts = { quality: 'low', model: 'gpt-image-2-codex' }
  app.mock.control.fault({ match: { prompt: 'killed while it is filed' }, facts })
  const id = await ask(person, 'killed while it is filed', { n: '2' })
  const first = await startSteppedWorker(app, { spill }, {}, 'down')
  await made(id)
  const spilled = (await filesOf(spill)).filter(file => /\d-[0-9a-f]{64}$/.test(file)).toSorted()
  const bytes = await Promise.all(spilled.map(file => readFile(file)))
  await first.kill()

  for (const step of ['received', 'half_stored', 'committing', 'filed', 'ending', 'ended'] as const) {
    const doomed = await startSteppedWorker(app, { spill }, { [id]: step })
    await doomed.reached([id], step)
    await doomed.kill()
  }
  await startSteppedWorker(app, { spill })

  const row = await jobEnd(app.db, id)
  assert.deepEqual([row.state, row.charged, row.failureReason, row.keySecret], ['done', 'yes', null, null])
  assert.deepEqual(await picturesOf(person, id), bytes)
  const { rows } = await app.db.pool.query('select returned from pictures where job_id = $1', [id])
  for (const { returned } of rows) assert.partialDeepStrictEqual(returned, facts)
  assert.equal(app.mock.control.calls({ prompt: 'killed while it is filed' }).length, 1)
  await until('an empty disk', async () => (await filesOf(spill)).length === 1)
})

test('while what was spilled is filed, slowly, no other worker ends the job', async () => {
  const person = await alice(app)
  const id = await ask(person, 'filed slowly', { n: '2' })
  const spill = disk()
  const doomed = await startSteppedWorker(app, { spill }, { [id]: 'spilled' }, 'down')
  await doomed.reached([id], 'spilled')
  await doomed.kill()

  const slow = await startSteppedWorker(app, { spill }, { [id]: 'ending' })
  await slow.reached([id], 'ending')
  await startSteppedWorker(app, { spill: disk() })
  await sweeps()
  assert.equal((await jobRow(app.db, id)).state, 'running')
  slow.order('go on')
  const row = await jobEnd(app.db, id)
  assert.deepEqual([row.state, row.failureReason], ['unknown', 'interrupted'])
  assert.equal((await picturesOf(person, id)).length, 1)
})

test('the store and the database away at once, and then the worker killed: the picture comes all the same', async () => {
  const postgres = await restartablePostgres()
  const house = await testApp({ databaseUrl: postgres.url, role: 'web', worker })
  const db = openDatabase({ url: postgres.url, max: 2 })
  atEnd(() => db.close())
  const person = await alice(house)
  house.mock.control.fault({ match: { prompt: 'all at once' }, hold: 'before_completed' })
  const id = await ask(person, 'all at once')
  const spill = disk()
  const doomed = await startSteppedWorker(house, { spill }, { [id]: 'noted' }, 'down')
  await house.mock.control.waitForCalls(1, { state: 'held' })
  await until('the reply', async () => (await jobRow(db, id)).requestId)

  await postgres.stop()
  house.mock.control.release()
  await doomed.reached([id], 'noted')
  await doomed.kill()
  await postgres.start()

  // Whatever others have made of it meanwhile: nobody could be told.
  await startSteppedWorker(house, { spill: disk() })
  const row = await until('the job to be given up', async () => {
    const found = await jobRow(db, id).catch(() => null)
    return found?.state === 'unknown' && found
  })
  assert.equal(row.charged, 'unknown')
  await startSteppedWorker(house, { spill })
  assert.equal((await jobIn(db, id, 'done')).charged, 'yes')
  assert.equal(house.mock.control.calls().length, 1)
})

test('a stop while the store hangs puts what is in memory on the disk, and ends', async () => {
  const person = await alice(app)
  const spill = disk()
  const id = await ask(person, 'in memory at the stop')
  const stopped = await startSteppedWorker(app, { spill }, { [id]: 'received' })
  await stopped.reached([id])

  stopped.order('stop')
  stopped.order('leave')
  await stopped.ended()

  assert.ok((await waiting(id)).madeAt)
  await startSteppedWorker(app, { spill })
  assert.equal((await jobEnd(app.db, id)).state, 'done')
  assert.equal(app.mock.control.calls({ prompt: 'in memory at the stop' }).length, 1)
})

test('a stop while the database is away leaves the end of a job on the disk, and ends', async () => {
  const postgres = await restartablePostgres()
  const house = await testApp({ databaseUrl: postgres.url, role: 'web', worker: { ...worker, persistSeconds: 600 } })
  const db = openDatabase({ url: postgres.url, max: 2 })
  atEnd(() => db.close())
  const person = await alice(house)
  const spill = disk()
  const id = await ask(person, 'filed, not ended')
  const stopped = await startSteppedWorker(house, { spill }, { [id]: 'filed' })
  await stopped.reached([id])

  await postgres.stop()
  stopped.order('go on')
  stopped.order('stop')
  stopped.order('leave')
  await stopped.ended()
  await postgres.start()

  await startSteppedWorker(house, { spill })
  assert.deepEqual([(await jobIn(db, id, 'done')).charged, house.mock.control.calls().length], ['yes', 1])
})

test('a call and the store break together: the last preview is offered when the store is back, after a kill too', async () => {
  const person = await alice(app)
  const spill = disk()
  for (const prompt of ['cut off', 'killed with its preview'])
    app.mock.control.fault({ match: { prompt }, end: 'before_completed' })
  const ended = await ask(person, 'cut off')
  const killed = await ask(person, 'killed with its preview')
  const doomed = await startSteppedWorker(app, { spill }, { [killed]: 'spilled' }, 'down')
  assert.equal((await jobEnd(app.db, ended)).state, 'unknown')
  await doomed.reached([killed], 'spilled')
  await doomed.kill()
  assert.equal((await filesOf(spill)).filter(file => /1000-[0-9a-f]{64}$/.test(file)).length, 2)

  await startSteppedWorker(app, { spill })
  for (const id of [ended, killed]) {
    assert.equal((await jobEnd(app.db, id)).state, 'unknown')
    await until('the preview', async () => (await person.get(`/images/${id}`)).text.includes('/files/'))
    const page = await person.get(`/images/${id}`)
    assert.deepEqual(
      page.html.querySelectorAll('.mosaic [data-label]').map(each => each.getAttribute('data-label')),
      ['Preview'],
    )
  }
})

test('a worker that never comes back: the operator gives it up, and if it does come back all is well', async () => {
  const person = await alice(app)
  const spill = disk()
  const id = await ask(person, 'on a lost disk')
  const lost = await startSteppedWorker(app, { spill }, {}, 'down')
  await made(id)
  const { spilledBy } = await waiting(id)
  assert.equal((await spills(app, '--release', spilledBy!)).match(/answers/)?.length, 1)
  assert.equal((await jobRow(app.db, id)).state, 'running', 'it answers')
  await lost.kill()
  await until('its lease to end', async () => (await spills(app)).includes(`${spilledBy}  1 jobs since`) && isSilent())
  const other = await startSteppedWorker(app, { spill: disk() })

  assert.match(await spills(app, '--release', spilledBy!, '--dry-run'), /would release 1 jobs/)
  assert.equal((await jobRow(app.db, id)).state, 'running')
  assert.match(await spills(app, '--release', spilledBy!), /released 1 jobs/)
  const row = await jobEnd(app.db, id)
  assert.deepEqual([row.state, row.failureReason, row.charged, row.keySecret], ['failed', 'storage', 'yes', null])
  assert.match(await spills(app), /no job waits/)

  const back = await startSteppedWorker(app, { spill })
  await jobIn(app.db, id, 'done')
  assert.equal((await picturesOf(person, id)).length, 1)
  await Promise.all([back.kill(), other.kill()])

  async function isSilent() {
    return (await spills(app)).includes('not heard of since')
  }
})

/** A worker in this process, and everybody's store, which goes away when a file is in its place. */
async function withOutage(
  spill: Config['spill'],
  work: (hands: {
    machine: ReturnType<typeof openBrowser>
    back(): Promise<void>
    stop(): Promise<void>
  }) => Promise<void>,
): Promise<void> {
  const { running } = await app.another({ role: 'worker', spill, shutdownSeconds: 0 })
  // It has worked once.
  await jobIn(app.db, await ask(await alice(app), 'while the store is there'), 'done')
  const back = await replaceByFile(path.join(app.config.dataDirectory, 'assets'))
  try {
    await work({ machine: openBrowser(running.url, () => {}), back, stop: () => running.stop() })
  } finally {
    await back()
    await running.stop()
  }
}

test('a page, a poll and the JSON face say that it is safe, and a cancel throws nothing away', async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  const key = await boundKey(app, person)
  const token = await tokenOf(app, key)
  const spill = disk()
  await withOutage(spill, async ({ machine, back }) => {
    const api = async (method: string, address: string, body?: object) => {
      const headers = { Authorization: `Bearer ${token}` }
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
      return z
        .object({ data: z.record(z.string(), z.unknown()) })
        .parse(await (await fetch(`${app.url}/api/playground/ssh/${address}`, init)).json()).data
    }
    const asked = await api('POST', 'tasks', { prompt: 'safe, asked by a script' })
    const ids = [await ask(person, 'safe', { n: '2' }), String(asked.task_id)]
    for (const id of ids) await made(id)

    for (const id of ids) {
      const { html } = await person.get(`/images/${id}`)
      assert.match(html.querySelector('.safe')!.text, /^\s*Made and safe, waiting for the store/)
      assert.equal(html.querySelector('form[action$="/cancel"]'), null)
      assert.equal((await waiting(id)).keySecret, null, 'its key is of no more use')
      assert.equal((await stranger.get(`/images/${id}`)).status, 404)
      assert.equal((await stranger.post(`/images/${id}/cancel`)).status, 404)
      await person.post(`/images/${id}/cancel`)
    }
    const chinese = await person.get(`/images/${ids[0]}`, { headers: { 'Accept-Language': 'zh-CN' } })
    assert.match(chinese.html.querySelector('.safe')!.text, /图片已生成并妥善保存/)
    await api('POST', `tasks/${ids[1]}/cancel`)
    const task = await api('GET', `tasks/${ids[1]}`)
    assert.deepEqual([task.status, task.state, task.waiting, task.error], ['processing', 'running', 'store', null])

    const files = await filesOf(spill)
    assert.equal(files.length, 3 + 2 + 1, 'three pictures, how two jobs ended, whose disk it is')
    for (const file of files) {
      assert.equal((await stat(file)).mode & 0o777, 0o600)
      assertNoSecrets(app.mock, [{ what: file, text: await readFile(file, 'latin1') }])
    }
    const metrics = (await machine.get('/metrics')).text
    assert.match(metrics, /^playground_spill_pictures 3$/m)
    assert.match(metrics, /^playground_spill_bytes [1-9]\d+$/m)
    assert.match(metrics, new RegExp(`^playground_spill_limit_bytes ${spill.limitBytes}$`, 'm'))

    await back()
    for (const id of ids) assert.equal((await jobEnd(app.db, id)).state, 'done')
    assert.equal((await picturesOf(person, ids[0]!)).length, 2)
    assert.equal((await api('GET', `tasks/${ids[1]}`)).waiting, null)
  })
})

/** What a tile and the JSON face say of a job that a script asked for. */
async function saidOf(person: Person, token: string, id: string): Promise<{ tile: string; waiting: unknown }> {
  const answer = await fetch(`${app.url}/api/playground/ssh/tasks/${id}`, {
    headers: { Authorization: `Bearer ${token}` },
  })
  const { data } = z.object({ data: z.object({ waiting: z.unknown() }) }).parse(await answer.json())
  return { tile: (await person.get(`/images/${id}`)).html.querySelector('.wait')!.text, waiting: data.waiting }
}

async function askByScript(token: string, prompt: string): Promise<string> {
  const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify({ prompt }),
  })
  return z.object({ data: z.object({ task_id: z.string() }) }).parse(await answer.json()).data.task_id
}

test('while no worker has a store that answers, what waits says so', async () => {
  const person = await alice(app)
  const token = await tokenOf(app, await boundKey(app, person))
  await app.db.pool.query('delete from image_workers')
  const blocked = path.join(app.config.dataDirectory, 'blocked')
  await writeFile(blocked, 'a file where a folder should be')
  const { running } = await app.another({ role: 'worker', spill: disk(), dataDirectory: blocked })
  const id = await askByScript(token, 'before the store answers')
  await until('the reason', async () => (await saidOf(person, token, id)).waiting === 'store')
  assert.match((await saidOf(person, token, id)).tile, /the store for pictures has not answered yet/)
  assert.equal((await jobRow(app.db, id)).attempts, 0)

  await rm(blocked)
  assert.equal((await jobEnd(app.db, id)).state, 'done')
  await running.stop()
})

test('when the spill is full no new picture is begun, until there is room again', async () => {
  const person = await alice(app)
  const token = await tokenOf(app, await boundKey(app, person))
  await app.db.pool.query('delete from image_workers')
  await withOutage(disk(1), async ({ machine, back }) => {
    const first = await ask(person, 'fills the spill')
    await made(first)
    const second = await askByScript(token, 'comes too late')
    const ready = JSON.parse((await machine.get('/ready')).text)
    assert.deepEqual([ready.spill.state, ready.spill.pictures, ready.spill.limit_bytes], ['full', 1, 1])
    await until('the reason', async () => (await saidOf(person, token, second)).waiting === 'spill')
    assert.match((await saidOf(person, token, second)).tile, /no room to keep more of them/)
    const chinese = await person.get(`/images/${second}`, { headers: { 'Accept-Language': 'zh-CN' } })
    assert.match(chinese.html.querySelector('.wait')!.text, /临时空间也已用完/)
    assert.deepEqual([(await jobRow(app.db, second)).state, (await jobRow(app.db, second)).attempts], ['queued', 0])

    await back()
    for (const id of [first, second]) assert.equal((await jobEnd(app.db, id)).state, 'done')
    assert.equal(JSON.parse((await machine.get('/ready')).text).spill.state, 'ok')
  })
})

test('a disk that takes nothing either: the picture is held in memory, and nothing new is begun', async () => {
  const person = await alice(app)
  const spill = disk()
  await withOutage(spill, async ({ machine, back }) => {
    const spillBack = await replaceByFile(spill.directory)
    const first = await ask(person, 'held in memory')
    await app.mock.control.waitForCalls(1, { prompt: 'held in memory', state: 'done' })
    await until(
      'the disk to refuse',
      async () => JSON.parse((await machine.get('/ready')).text).spill.state === 'broken',
    )
    const second = await ask(person, 'not begun')
    await sweeps()
    assert.equal((await jobRow(app.db, first)).state, 'running')
    assert.equal((await jobRow(app.db, second)).state, 'queued')

    await spillBack()
    await made(first)
    await back()
    for (const id of [first, second]) assert.equal((await jobEnd(app.db, id)).state, 'done')
  })
})

test('a stop while neither store nor disk take a picture loses it, and says so', async () => {
  const person = await alice(app)
  const spill = disk()
  await withOutage(spill, async ({ machine, stop }) => {
    const spillBack = await replaceByFile(spill.directory)
    const id = await ask(person, 'nowhere to go')
    await until(
      'the disk to refuse',
      async () => JSON.parse((await machine.get('/ready')).text).spill.state === 'broken',
    )
    await stop()
    const row = await jobRow(app.db, id)
    assert.deepEqual([row.state, row.failureReason, row.charged], ['failed', 'storage', 'yes'])
    await spillBack()
  })
})

test('a file that was damaged on the disk is not filed as the picture; the others are', async () => {
  const person = await alice(app)
  const spill = disk()
  await withOutage(spill, async ({ back }) => {
    const id = await ask(person, 'one is damaged', { n: '2' })
    await made(id)
    await appendFile((await filesOf(spill)).find(file => /\/1-[0-9a-f]{64}$/.test(file))!, 'x')
    await back()
    const row = await jobEnd(app.db, id)
    assert.deepEqual([row.state, row.failureReason, row.charged], ['done', 'storage', 'yes'])
    assert.match(row.failureDetail!, /^1 of 2 files were damaged/)
    assert.equal((await picturesOf(person, id)).length, 1)
  })
})
