import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { before, test } from 'node:test'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { openDatabase } from '../db/db.ts'
import type { Running } from '../main.ts'
import { atEnd, restartablePostgres } from '../testing/database.ts'
import { ask, jobEnd, jobIn, jobRow, press } from '../testing/jobs.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { someOf } from '../testing/some-of.ts'
import { startSteppedWorker } from '../testing/stepped.ts'

const timings = { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 0.2, persistSeconds: 10 }
let app: TestApp
// Pages only; every test starts the workers that it is about.
before(async () => {
  app = await testApp({ role: 'web', worker: timings })
})

async function withWorkers(
  count: number,
  changes: Partial<Config>,
  work: (workers: Running[]) => Promise<void>,
): Promise<void> {
  const workers = await Promise.all(Array.from({ length: count }, () => app.another({ role: 'worker', ...changes })))
  try {
    await work(workers.map(({ running }) => running))
  } finally {
    app.mock.control.clearFaults()
    await Promise.all(workers.map(({ running }) => running.stop()))
  }
}

async function countIn(state: string): Promise<number> {
  const schema = z.object({ count: z.number() })
  return (await app.db.one(schema, `select count(*) from image_jobs where state = $1`, [state])).count
}

const askFor = (count: number, prompt: string) => Array.from({ length: count }, (_, i) => `${prompt} no. ${i};`)

test('a web process makes nothing, a worker shows no pages', async () => {
  const person = await alice(app)
  const id = await ask(person, 'who makes it?')
  await app.another({ role: 'web' })
  // Whatever the web processes do about a new job they have done: they answer others meanwhile.
  for (let i = 0; i < 5; i++) assert.equal((await person.get('/images')).status, 200)
  assert.equal((await jobRow(app.db, id)).state, 'queued')
  assert.equal(app.mock.control.calls().length, 0)

  await withWorkers(1, {}, async ([worker]) => {
    await jobIn(app.db, id, 'done')
    assert.equal((await fetch(`${worker!.url}/health`)).status, 200)
    for (const path of ['/', '/login', '/images', `/images/${id}`]) {
      assert.equal((await fetch(`${worker!.url}${path}`, { redirect: 'manual' })).status, 404, path)
    }
  })
})

test('a process whose port is taken touches no job', async () => {
  const id = await ask(await alice(app), 'not by a process that cannot start')
  const { port } = new URL(app.url)
  await assert.rejects(app.another({ role: 'all', port: Number(port) }), { code: 'EADDRINUSE' })
  const { state, attempts } = await jobRow(app.db, id)
  assert.deepEqual([state, attempts], ['queued', 0])
  await withWorkers(1, {}, async () => void (await jobIn(app.db, id, 'done')))
})

test('a person runs four at a time, over two processes; the others wait in line', async () => {
  const person = await alice(app)
  const hold = app.mock.control.fault({ match: { prompt: 'four at a time' }, times: 99, hold: 'before_headers' })
  await withWorkers(2, {}, async () => {
    const ids: string[] = []
    for (const prompt of askFor(7, 'four at a time')) ids.push(await ask(person, prompt))
    await app.mock.control.waitForCalls(4, { prompt: 'four at a time', state: 'held' })
    // Somebody else's job runs through, so both workers have claimed since.
    for (const prompt of askFor(4, 'beside it')) await jobIn(app.db, await ask(await charlie(app), prompt), 'done')
    assert.equal(app.mock.control.calls({ prompt: 'four at a time' }).length, 4)
    assert.equal(await countIn('running'), 4)

    await until('the places of those that wait', async () => {
      const tiles = await person.get('/images')
      const waits = ids.slice(4).map(id => tiles.html.querySelector(`#job-${id} .wait-state`)!.text.match(/\d+/)?.[0])
      return waits.join() === '1,2,3'
    })
    app.mock.control.release(hold)
    for (const id of ids) await jobIn(app.db, id, 'done')
  })
  assert.equal(app.mock.control.calls({ prompt: 'four at a time' }).length, 7)
})

test('how many at once the gateway makes with a key is learnt from what it refuses; one more is tried after a while', async () => {
  const person = await alice(app)
  app.mock.control.user(person.email, { concurrency: 2 })
  app.mock.control.set({ slotQueue: 0 })
  const hold = app.mock.control.fault({ match: { prompt: 'two at once' }, times: 99, hold: 'after_headers' })
  const calls = () => app.mock.control.calls({ prompt: 'two at once' })
  const held = (count: number) => app.mock.control.waitForCalls(count, { prompt: 'two at once', state: 'held' })
  await withWorkers(2, {}, async () => {
    const ids: string[] = []
    for (const prompt of askFor(6, 'two at once')) ids.push(await ask(person, prompt))
    await held(2)
    await until('what was refused to wait', async () => calls().length === 4 && (await countIn('running')) === 2)
    // As if they had waited: there is no place for them yet, nor for those behind them.
    await app.db.run(`update image_jobs set not_before = null where state = 'queued'`)
    app.mock.control.user(person.email, { concurrency: 3 })
    const first = calls()[0]!.apiKeyId
    const waits = async () => (await person.get('/images')).html.querySelectorAll('.wait-state.wraps')
    const isTold = /the gateway takes 2 requests at a time with this key/
    await until(
      'all that wait to say why',
      async () => (await waits()).filter(({ text }) => isTold.test(text)).length === 4,
    )
    const another = app.mock.control.keysOf(person.email).find(key => key.id !== first)!
    await person.post('/account/key', { key_id: String(another.id) })
    await jobIn(app.db, await ask(person, 'with another key'), 'done')
    assert.equal(calls().length, 4)

    await app.db.run(`update key_lanes set learned_at = now() - interval '5 minutes'`)
    await held(3)
    app.mock.control.release(hold)
    for (const id of ids) await jobIn(app.db, id, 'done')
  })
  app.mock.control.set({ slotQueue: 20 })
  const billed = calls().filter(call => call.billed > 0)
  assert.deepEqual([calls().length, billed.length, new Set(billed.map(call => call.prompt)).size], [8, 6, 6])
})

test('never more than the total run, over two processes', async () => {
  const people = await Promise.all([alice(app), charlie(app)])
  const hold = app.mock.control.fault({ match: { prompt: 'in all' }, times: 99, hold: 'before_headers' })
  await withWorkers(2, { limits: { ...app.config.limits, runningTotal: 3 } }, async () => {
    const ids = await Promise.all(askFor(8, 'in all').map((prompt, i) => ask(people[i % 2]!, prompt)))
    await app.mock.control.waitForCalls(3, { prompt: 'in all', state: 'held' })
    const [first] = app.mock.control.calls({ prompt: 'in all' })
    const held = ids[Number(first!.prompt.match(/no\. (\d)/)![1])]!
    // A place that becomes free is taken, and no more than one.
    const owner = (await people[0].get(`/images/${held}`)).status === 200 ? people[0] : people[1]
    await owner.post(`/images/${held}/cancel`)
    await jobIn(app.db, held, 'cancelled')
    await app.mock.control.waitForCalls(4, { prompt: 'in all' })
    assert.equal(await countIn('running'), 3)
    app.mock.control.release(hold)
    for (const id of ids) await jobEnd(app.db, id)
  })
})

test('of who has nothing under way, who had none made for longest comes first', async () => {
  const [many, one] = await Promise.all([alice(app), charlie(app)])
  const hold = app.mock.control.fault({ match: { prompt: 'in turn no. 0' }, hold: 'before_headers' })
  await withWorkers(1, { limits: { ...app.config.limits, runningTotal: 1 } }, async () => {
    const ids: string[] = []
    for (const prompt of askFor(3, 'in turn')) ids.push(await ask(many, prompt))
    await app.mock.control.waitForCalls(1, { prompt: 'in turn', state: 'held' })
    ids.push(await ask(one, 'in turn with them'))
    app.mock.control.release(hold)
    for (const id of ids) await jobIn(app.db, id, 'done')
  })
  assert.deepEqual(
    app.mock.control.calls({ prompt: 'in turn' }).map(({ prompt }) => prompt),
    ['in turn no. 0;', 'in turn with them', 'in turn no. 1;', 'in turn no. 2;'],
  )
})

test('who comes with one job waits for one place, not for the two hundred of somebody else', async () => {
  const [many, one] = await Promise.all([alice(app), charlie(app)])
  const limits = { ...app.config.limits, queuedPerUser: 500 }
  const patient = (await app.another({ role: 'web', limits })).browser()
  await patient.post('/login', { email: many.email, password: 'any' })
  const hold = app.mock.control.fault({ match: { prompt: 'of many' }, times: 2, hold: 'before_headers' })
  await withWorkers(1, { limits: { ...limits, runningTotal: 2 } }, async () => {
    for (const prompt of askFor(200, 'of many')) await ask(patient, prompt)
    await app.mock.control.waitForCalls(2, { prompt: 'of many', state: 'held' })
    const id = await ask(one, 'just this one')
    assert.match((await one.get(`/images/${id}`)).html.querySelector('.wait-state')!.text, /\b1\b/)

    app.mock.control.release(hold)
    await jobIn(app.db, id, 'done')
    const order = app.mock.control.calls().filter(call => /of many|just this one/.test(call.prompt))
    assert.ok(order.findIndex(call => call.prompt === 'just this one') <= 3, 'within the next round')
    await app.db.run(
      `update image_jobs set state = 'cancelled', finished_at = now(), key_secret = null where state = 'queued'`,
    )
  })
})

test('a crowd presses five times each, three workers: each submission is one job, and the limits hold', async () => {
  const limits = { ...app.config.limits, queuedPerUser: 500, runningTotal: 6 }
  const { browser } = await app.another({ role: 'web', limits })
  const people = await Promise.all(
    Array.from({ length: 5 }, (_, i) => signedIn(app, `crowd${i}@example.com`, browser())),
  )
  // Each form five times, at the same moment: clicks, and repeats after a time-out.
  const crowd = Array.from({ length: 100 }, (_, i) => ({ prompt: `in a crowd no. ${i};`, submission: randomUUID() }))
  const forms = someOf(crowd, 4)
  const Running = z.object({ userId: z.number(), count: z.number() })
  await withWorkers(3, { limits }, async () => {
    // So many wait for a connection to the database that some are told to come again: they do, with the same form.
    const send = async (person: Person, form: (typeof forms)[number]) => {
      const answer = await press(person, form)
      assert.equal(answer.status, 303)
      return answer.location
    }
    const places = await Promise.all(
      forms.map((form, i) => Promise.all([1, 2, 3, 4, 5].map(() => send(people[i % people.length]!, form)))),
    )
    for (const same of places) assert.equal(new Set(same).size, 1)
    assert.equal(new Set(places.flat()).size, forms.length)
    await until('most to be done', async () => {
      const rows = await app.db.many(
        Running,
        `select user_id, count(*) from image_jobs where state = 'running' group by user_id`,
      )
      assert.ok(rows.every(row => row.count <= 4))
      assert.ok(rows.reduce((sum, row) => sum + row.count, 0) <= 6)
      return app.mock.control.calls({ prompt: 'in a crowd', state: 'done' }).length >= forms.length * 0.6
    })
    await app.db.run(
      `update image_jobs set state = 'cancelled', finished_at = now(), key_secret = null where state = 'queued'`,
    )
    await until('the rest to end', async () => (await countIn('running')) === 0)
  })
  const prompts = app.mock.control.calls({ prompt: 'in a crowd' }).map(call => call.prompt)
  assert.equal(new Set(prompts).size, prompts.length, 'nothing was asked for twice')
})

test('the fifty-first job that waits is refused: 429, when to come again, and the prompt stays', async () => {
  const person = await alice(app)
  const answers = await Promise.all(askFor(52, 'too many').map(prompt => press(person, { prompt })))
  assert.equal(answers.filter(answer => answer.status === 303).length, 50)
  const refused = answers.filter(answer => answer.status === 429)
  assert.equal(refused.length, 2)
  for (const answer of refused) {
    assert.ok(Number(answer.headers['retry-after']) > 0)
    assert.equal(answer.html.querySelectorAll('#composer .field-error[id]').length, 1)
    assert.match(answer.html.querySelector('textarea')!.text, /^too many/)
  }
  await person.post(
    `/images/${answers
      .find(({ status }) => status === 303)!
      .location.split('/')
      .at(-1)}/cancel`,
  )
  assert.equal((await person.post('/images', { prompt: 'too many, and one less' })).status, 303)
  await app.db.run(
    `update image_jobs set state = 'cancelled', finished_at = now(), key_secret = null where state = 'queued'`,
  )
})

test('a worker that stops takes no more, waits for what runs, and says of the rest that nobody knows', async () => {
  const person = await alice(app)
  const { child } = await startProcess(app, { PLAYGROUND_ROLE: 'worker', PLAYGROUND_SHUTDOWN_SECONDS: '4' })
  const short = app.mock.control.fault({ match: { prompt: 'nearly there' }, hold: 'before_completed' })
  app.mock.control.fault({ match: { prompt: 'far away' }, times: 3, hold: 'before_completed' })
  const quick = await ask(person, 'nearly there')
  const slow: string[] = []
  for (const prompt of askFor(3, 'far away')) slow.push(await ask(person, prompt))
  const waiting = await ask(person, 'not begun')
  await app.mock.control.waitForCalls(4, { state: 'held' })
  await until('the replies', async () =>
    (await Promise.all(slow.map(id => jobRow(app.db, id)))).every(row => row.requestId),
  )

  child.kill('SIGTERM')
  await until('the stop to begin', async () => app.logs.some(line => line.includes('"stopping"')))
  // It waits four seconds: what ends in that time ends well, and makes room for nothing.
  app.mock.control.release(short)
  await jobIn(app.db, quick, 'done')
  const [code] = child.exitCode === null ? ((await once(child, 'exit')) as [number]) : [child.exitCode]
  assert.equal(code, 0)
  for (const id of slow) {
    const row = await jobRow(app.db, id)
    assert.deepEqual(
      [row.state, row.failureReason, row.charged, row.keySecret],
      ['unknown', 'interrupted', 'unknown', null],
    )
  }
  assert.equal((await jobRow(app.db, waiting)).state, 'queued')
  assert.equal(app.mock.control.calls({ prompt: 'not begun' }).length, 0)

  app.mock.control.release()
  await withWorkers(1, {}, async () => {
    await jobIn(app.db, waiting, 'done')
    // Each was billed after we had gone, and the usage row tells.
    for (const id of slow) await until('the bill', async () => (await jobRow(app.db, id)).charged === 'yes')
  })
  for (const call of app.mock.control.calls({ prompt: 'far away' })) assert.equal(call.clientGone, true)
  assert.equal(app.mock.control.calls({ prompt: 'far away' }).length, 3)
})

test('a worker that is told to stop gives back what it has claimed and not sent yet', async () => {
  const person = await alice(app)
  const steps = { claimed: await ask(person, 'claimed, not sent'), marked: await ask(person, 'marked, not sent') }
  const ids = Object.values(steps)
  const stopped = await startSteppedWorker(app, {}, { [steps.claimed]: 'claimed', [steps.marked]: 'marked' })
  await stopped.reached(ids)

  stopped.order('stop')
  await stopped.reached([''], 'stopping')
  stopped.order('go on')
  await stopped.ended()

  for (const id of ids) {
    const { state, attempts, calledAt } = await jobRow(app.db, id)
    assert.deepEqual([state, attempts, calledAt], ['queued', 0, null])
  }
  assert.equal(app.mock.control.calls({ prompt: 'not sent' }).length, 0)
  await withWorkers(1, {}, async () => {
    for (const id of ids) await jobIn(app.db, id, 'done')
  })
  assert.equal(app.mock.control.calls({ prompt: 'not sent' }).length, 2)
})

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`the database goes away under running jobs (${signal}): what was made is kept, once`, async () => {
    const postgres = await restartablePostgres()
    const house = await testApp({ databaseUrl: postgres.url, worker: timings })
    const db = openDatabase({ url: postgres.url, max: 2 })
    atEnd(() => db.close())
    const person = await alice(house)
    const [made, refused] = ['made meanwhile', 'refused meanwhile']
    const holds = [
      house.mock.control.fault({ match: { prompt: made }, times: 2, hold: 'before_completed' }),
      house.mock.control.fault({ match: { prompt: refused }, hold: 'before_headers', reply: 'moderation' }),
    ]
    const ids = [await ask(person, `${made} 1`), await ask(person, `${made} 2`), await ask(person, refused)]
    await house.mock.control.waitForCalls(3, { state: 'held' })
    await until(
      'the replies',
      async () => (await jobRow(db, ids[1]!)).requestId && (await jobRow(db, ids[0]!)).requestId,
    )

    await postgres.stop(signal)
    for (const hold of holds) house.mock.control.release(hold)
    await house.mock.control.waitForCalls(2, { state: 'done' })
    await house.mock.control.waitForCalls(1, { prompt: refused, state: 'refused' })
    await postgres.start()

    const rows = await Promise.all(ids.map(id => until(`${id} to end`, () => endOf(id))))
    assert.deepEqual(
      rows.map(row => [row.state, row.charged, row.failureReason, row.keySecret]),
      [
        ['done', 'yes', null, null],
        ['done', 'yes', null, null],
        ['failed', 'no', 'content_policy', null],
      ],
    )
    const page = await until('the page', async () => {
      const answer = await person.get(`/images/${ids[0]}`)
      return answer.status === 200 && answer
    })
    const image = page.html.querySelector('img[src^="/files/"]')!.getAttribute('src')!
    assert.equal((await person.get(image)).status, 200)
    assert.equal(house.mock.control.calls().length, 3)

    async function endOf(id: string) {
      const row = await jobRow(db, id).catch(() => null)
      return row && row.state !== 'running' && row
    }
  })
}

test('after an outage longer than a lease live workers keep their jobs', async () => {
  const postgres = await restartablePostgres()
  const worker = { ...timings, leaseSeconds: 2 }
  const house = await testApp({ databaseUrl: postgres.url, role: 'web', worker })
  const db = openDatabase({ url: postgres.url, max: 2 })
  atEnd(() => db.close())
  const limits = { ...house.config.limits, runningHere: 1 }
  const person = await alice(house)
  house.mock.control.fault({ match: { prompt: 'through an outage' }, times: 2, hold: 'before_completed' })
  const ids: string[] = []
  for (const prompt of askFor(2, 'through an outage')) ids.push(await ask(person, prompt))
  for (let i = 0; i < 2; i++) await house.another({ role: 'worker', limits })
  await house.mock.control.waitForCalls(2, { prompt: 'through an outage', state: 'held' })

  await postgres.stop()
  const leasesOver = performance.now() + 1000 * worker.leaseSeconds
  await until('the leases to be over', async () => performance.now() > leasesOver)
  await postgres.start()
  // As long as a sweep would wait, and several of them.
  const Lease = z.object({ left: z.number() })
  const sweptSince = performance.now() + 2000 * worker.leaseSeconds
  await until('leases and sweeps', async () => {
    const sql = `select extract(epoch from lease_until - now())::float8 as left from image_jobs where state = 'running'`
    const leases = await db.many(Lease, sql).catch(() => [])
    return leases.length === 2 && leases.every(({ left }) => left > 0) && performance.now() > sweptSince
  })
  house.mock.control.release()
  for (const id of ids) assert.equal((await jobIn(db, id, 'done', 'unknown')).state, 'done')
  assert.deepEqual(
    house.logs.filter(line => line.includes('outlived its worker')),
    [],
  )
  assert.equal(house.mock.control.calls({ prompt: 'through an outage' }).length, 2)
})
