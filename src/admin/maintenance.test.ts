import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, type TestContext, test } from 'node:test'
import pg from 'pg'
import { z } from 'zod'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { newestReply, replyIn, say } from '../testing/conversations.ts'
import { ask, jobEnd, jobIn } from '../testing/jobs.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

const refused = /nothing new can be started/

let app: TestApp
let admin: Person
before(async () => {
  app = await testApp()
  admin = await signedIn(app, 'admin@example.com')
})

function maintain(did: 'begin' | 'end', more: Record<string, string> = {}) {
  return admin.post('/admin/bulletin/maintenance', { did, ...more })
}

/** Ends with the test. */
async function beginIn(t: TestContext, more: Record<string, string> = {}) {
  t.after(() => maintain('end'))
  assert.equal((await maintain('begin', more)).status, 303)
}

async function countBegun(): Promise<unknown> {
  return app.db.one(
    z.object({ jobs: z.number(), answers: z.number(), batches: z.number(), messages: z.number() }),
    `select (select count(*) from image_jobs) as jobs, (select count(*) from image_batches) as batches,
       (select count(*) from replies) as answers, (select count(*) from chat_messages) as messages`,
  )
}

test('in maintenance nothing new is begun from any door, and each says so; what had begun is finished', async t => {
  const person = await alice(app)
  const picture = await makePicture(app, person, 'made before')
  const failed = await ask(person, 'refused #fail-policy')
  await jobEnd(app.db, failed)
  const conversation = await say(person, 'hello')
  const reply = await replyIn(app.db, conversation, 'done')
  const drawing = await say(person, 'please draw a picture of a lighthouse')
  const call = await until('a call that asks', async () =>
    (await person.get(`/chat/${drawing}`)).html.querySelector('[action$="/paint"]')?.getAttribute('action'),
  )
  await until('all answers', async () => (await newestReply(app.db, drawing)).state === 'done')
  const token = await tokenOf(app, await boundKey(app, person))
  app.mock.control.fault({ match: { prompt: 'under way' }, hold: 'before_headers', times: 1 })
  const running = await ask(person, 'under way')
  await jobIn(app.db, running, 'running')

  await beginIn(t)
  const known = await countBegun()

  const form = { prompt: 'typed in maintenance', submission: randomUUID() }
  const doors = {
    create: await person.post('/images', form, { htmx: true }),
    plain: await person.post('/images', { ...form, submission: randomUUID() }),
    edit: await person.post('/images', { ...form, submission: randomUUID(), reference: picture.token }),
    batch: await person.post('/images/batch', { prompts: 'one\ntwo', step: 'start', submission: randomUUID() }),
    retry: await person.post(`/images/${failed}/retry`, {}),
    chat: await person.post('/chat', { text: 'and in words', submission: randomUUID() }),
    again: await person.post(`/chat/${conversation}/messages/${reply.messageId}/again`, {}),
    paint: await person.post(call, { prompt: 'a lighthouse', size: '1024x1024', n: '1' }),
  }
  for (const [door, answer] of Object.entries(doors)) {
    assert.match(answer.text, refused, `${door}: ${answer.status} ${answer.location}`)
    // A page of htmx takes its form back with 422.
    assert.ok(answer.status === 503 || door === 'create' || door === 'paint', `${door}: ${answer.status}`)
    if (door === 'paint') continue
    assert.ok(Number(answer.headers['retry-after']) >= 60, door)
  }
  const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ prompt: 'by script' }),
  })
  assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '300'])
  assert.equal(((await answer.json()) as { reason: string }).reason, 'maintenance')
  assert.deepEqual(await countBegun(), known)

  assert.match((await person.get('/images')).html.querySelector('[name="prompt"]')!.text, /typed in maintenance/)
  assert.match(doors.chat.html.querySelector('textarea[name="text"]')!.text, /and in words/)
  assert.match((await admin.get('/admin/bulletin')).html.querySelector('#drain')!.text, /being finished/)
  app.mock.control.release()
  assert.equal((await jobEnd(app.db, running)).state, 'done')
  assert.match((await admin.get('/admin/bulletin')).html.querySelector('#drain')!.text, /finished/)

  await maintain('end')
  const once = await person.post('/images', form)
  assert.equal(once.status, 303)
  assert.equal((await jobEnd(app.db, once.location.slice('/images/'.length))).state, 'done')
})

test('what was asked for before is answered as before: the same submission is the same job', async t => {
  const person = await alice(app)
  const form = { prompt: 'asked for twice', submission: randomUUID() }
  const first = await person.post('/images', form)
  await beginIn(t)
  const second = await person.post('/images', form)
  assert.deepEqual([second.status, second.location], [303, first.location])
})

test('maintenance waits for who is beginning something, and nobody begins anything once it has begun', async t => {
  const person = await alice(app)
  const starter = new pg.Client({ connectionString: app.db.url })
  await starter.connect()
  t.after(() => starter.end())
  t.after(() => maintain('end'))
  await starter.query('begin')
  await starter.query('select * from maintenance_now()')

  const beginning = maintain('begin')
  await until('it to wait', async () => {
    const { rows } = await app.db.pool.query(
      `select from pg_locks where locktype = 'advisory' and classid = 743055 and not granted`,
    )
    return rows.length > 0
  })
  const late = person.post('/images', { prompt: 'a moment too late', submission: randomUUID() })
  await starter.query('commit')
  assert.equal((await beginning).status, 303)
  const answer = await late
  assert.ok(answer.status === 503 || answer.status === 303)
  const begun = await app.db.pool.query(
    `select from image_jobs where prompt = 'a moment too late' and created_at > (select since from maintenance)`,
  )
  assert.equal(begun.rowCount, 0)
})

test('maintenance outlives a process; everybody is told until when, also who is yet to sign in', async t => {
  const person = await alice(app)
  await beginIn(t, { until: '2096-03-01T12:00' })
  const other = await app.another({ role: 'web' })
  for (const browser of [person, app.browser(), other.browser()]) {
    const page = await until('the banner', async () => {
      const found = await browser.get(browser === person ? '/library' : '/login')
      return found.html.querySelector('#bulletin') && found
    })
    assert.match(
      page.html.querySelector('#bulletin')!.text,
      /nothing new can be started[\s\S]*Mar 2096|1 Mar 2096|Mar 1, 2096/,
    )
  }
  const answer = await person.post('/images', { prompt: 'one', submission: randomUUID() })
  assert.equal(answer.headers['retry-after'], '3600')
  await maintain('end')
  await until('the banner to go', async () => !(await person.get('/library')).html.querySelector('#bulletin'))
})
