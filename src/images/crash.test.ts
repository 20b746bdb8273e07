import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { ask, type JobRow, jobEnd, jobIn, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { differences } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

// The pages come from this process, the pictures from real ones that are killed. A dead worker is noticed soon.
const worker = { tickSeconds: 0.1, leaseSeconds: 2, sweepSeconds: 0.2, persistSeconds: 10 }
let app: TestApp
before(async () => {
  app = await testApp({ role: 'web', worker })
})

interface Worker {
  kill(): Promise<void>
}

async function startWorker(changes: Partial<Config> = {}): Promise<Worker> {
  const limits = { ...app.config.limits, runningPerUser: 10 }
  const config = { ...app.config, role: 'worker', limits, ...changes }
  const { child } = await startProcess(app, { TEST_CONFIG: JSON.stringify(config) }, 'process-main.ts')
  const exited = once(child, 'exit')
  return {
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Ended, told in words, without a key, and never asked for twice. */
async function checkEnded(person: Person, prompt: string, row: JobRow): Promise<void> {
  assert.ok(app.mock.control.calls({ prompt }).length <= 1, `${prompt} was paid for twice`)
  assert.equal(row.keySecret, null)
  const page = await person.get(`/images/${row.id}`)
  assert.ok(page.html.querySelector(`#job-${row.id}.state-${row.state}`))
  if (row.state === 'done') assert.ok(page.html.querySelector('img[src^="/files/"]'))
  else assert.ok(page.html.querySelector('.verdict'))
}

/** Every stored object belongs to a row, and every row has its picture and thumbnail. */
async function checkFiles(): Promise<void> {
  const rows = await app.db.many(z.object({ token: z.string() }), `select token from files`)
  const expected = rows.flatMap(({ token }) => [token, `${token}.thumb`])
  const entries = await readdir(path.join(app.config.dataDirectory, 'assets'), { recursive: true, withFileTypes: true })
  // What begins with a dot was being written when the process died; housekeeping takes it away after an hour.
  const found = entries.filter(entry => entry.isFile() && !entry.name.startsWith('.')).map(entry => entry.name)
  assert.deepEqual(found.toSorted(), expected.toSorted())
}

test('killed in the middle of ten calls: each was asked once, and ends as far as anybody knows', async () => {
  const person = await alice(app)
  app.mock.control.user(person.email, { concurrency: 10 })
  const moments = ['before_headers', 'after_partial', 'before_completed', 'mid_picture', 'after_completed'] as const
  const jobs: { prompt: string; moment: (typeof moments)[number]; id: string }[] = []
  const first = await startWorker()
  for (let i = 0; i < 10; i++) {
    const moment = moments[i % moments.length]!
    const prompt = `killed ${moment} no. ${i};`
    app.mock.control.fault({ match: { prompt }, hold: moment })
    jobs.push({ prompt, moment, id: await ask(person, prompt, { n: i < 5 ? '1' : '2' }) })
  }
  await app.mock.control.waitForCalls(10, { prompt: 'killed', state: 'held' })
  const complete = jobs.filter(({ moment }) => moment === 'after_completed')
  for (const { id } of complete) {
    await until('the picture', async () =>
      (await person.get(`/images/${id}`)).html.querySelector('img[src^="/files/"]'),
    )
  }

  await first.kill()
  app.mock.control.release()
  await startWorker().then(async second => {
    for (const { prompt, moment, id } of jobs) {
      const row = await jobEnd(app.db, id)
      await checkEnded(person, prompt, row)
      assert.equal(app.mock.control.calls({ prompt }).length, 1)
      // Its only picture was filed before the end: that is all that was asked for.
      const expected = moment === 'after_completed' && prompt === complete[0]!.prompt ? 'done' : 'unknown'
      assert.equal(row.state, expected, prompt)
      if (row.state === 'unknown') assert.equal(row.failureReason, 'interrupted')
    }
    // The two whose replies had not begun have no request id to look for; of the others the usage rows tell.
    for (const { moment, id } of jobs.filter(each => each.moment !== 'before_headers')) {
      await until(`the bill of ${moment}`, async () => (await jobRow(app.db, id)).charged === 'yes')
    }
    assert.deepEqual(await differences(app, [person.email]), [])
    await second.kill()
  })
  await checkFiles()
})

test('killed again and again: nothing is asked twice, nothing stays behind', async () => {
  const person = await charlie(app)
  app.mock.control.set({ latencyMs: 150 })
  const prompts = Array.from({ length: 10 }, (_, i) => `again and again no. ${i};`)
  const ids: string[] = []
  for (const prompt of prompts) ids.push(await ask(person, prompt))
  // Each worker dies with some calls just begun, some in the middle, some about to be stored.
  for (let calls = 2; calls < 10; calls += 3) {
    const doomed = await startWorker({ limits: { ...app.config.limits, runningPerUser: 3 } })
    await app.mock.control.waitForCalls(calls, { prompt: 'again and again' })
    await doomed.kill()
  }
  const last = await startWorker()
  const rows = await Promise.all(ids.map(id => jobEnd(app.db, id)))
  for (const [i, row] of rows.entries()) await checkEnded(person, prompts[i]!, row)
  assert.ok(rows.every(row => row.state === 'done' || row.state === 'unknown'))
  assert.ok(rows.some(row => row.state === 'done'))
  await last.kill()
  app.mock.control.set({ latencyMs: 0 })
  await checkFiles()
})

test('killed between storing a picture and filing it: the picture is found, not asked for again', async () => {
  const person = await alice(app)
  const doomed = await startWorker()
  app.mock.control.fault({ match: { prompt: 'stored, not filed' }, hold: 'before_end' })
  const id = await ask(person, 'stored, not filed')
  await until('the picture', async () => (await person.get(`/images/${id}`)).html.querySelector('img[src^="/files/"]'))
  await doomed.kill()
  // The moment itself lasts a millisecond: undo what came after it.
  await app.db.run(`delete from pictures where job_id = $1`, [id])
  await app.db.run(`delete from files f where not exists (select from pictures p where p.token = f.token)`)
  const second = await startWorker()
  const row = await jobIn(app.db, id, 'done')
  await checkEnded(person, 'stored, not filed', row)
  assert.equal(row.charged, 'yes')
  await second.kill()
  app.mock.control.release()
  await checkFiles()
})

test('killed before anything was sent: the next worker sends it', async () => {
  const person = await alice(app)
  const id = await ask(person, 'not sent yet')
  // As a worker leaves it that dies right after its claim.
  await app.db.run(
    `update image_jobs set state = 'running', claim = gen_random_uuid(), lease_until = now(), attempts = 1,
       started_at = now() where id = $1`,
    [id],
  )
  const cancelled = await ask(person, 'not sent and not wanted')
  await app.db.run(
    `update image_jobs set state = 'running', claim = gen_random_uuid(), lease_until = now(), attempts = 1,
       started_at = now(), cancel_requested_at = now() where id = $1`,
    [cancelled],
  )
  const second = await startWorker()
  await jobIn(app.db, id, 'done')
  const row = await jobEnd(app.db, cancelled)
  assert.deepEqual([row.state, row.charged, row.keySecret], ['cancelled', 'no', null])
  assert.equal(app.mock.control.calls({ prompt: 'not sent yet' }).length, 1)
  assert.equal(app.mock.control.calls({ prompt: 'not sent and not wanted' }).length, 0)
  await second.kill()
})

test('a worker taken for dead that lives after all still brings its pictures home', async () => {
  const person = await alice(app)
  // It does not renew its lease within this test.
  const { running } = await app.another({ role: 'worker', worker: { ...worker, leaseSeconds: 600, sweepSeconds: 600 } })
  const hold = app.mock.control.fault({ match: { prompt: 'alive' }, hold: 'before_completed' })
  const id = await ask(person, 'alive')
  await app.mock.control.waitForCalls(1, { prompt: 'alive', state: 'held' })
  await until('the reply', async () => (await jobRow(app.db, id)).requestId)
  // Nobody could hear of it for a while: another process ends its job.
  await app.db.run(`update image_jobs set lease_until = now() - interval '1 second' where id = $1`, [id])
  const second = await startWorker()
  await jobIn(app.db, id, 'unknown')
  app.mock.control.release(hold)
  const row = await jobIn(app.db, id, 'done')
  await checkEnded(person, 'alive', row)
  await second.kill()
  await running.stop()
})
