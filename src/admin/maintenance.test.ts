import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, type TestContext, test } from 'node:test'
import pg from 'pg'
import { z } from 'zod'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { newestReply, replyIn, say } from '../testing/conversations.ts'
import { everything, hoarder } from '../testing/doomed.ts'
import { ask, jobEnd, jobIn } from '../testing/jobs.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { environmentOf, runScript } from '../testing/script.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { zipOf } from '../testing/zip.ts'

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

test('in maintenance nothing is exported, imported, changed or shared by the thousands; what is little is done', async t => {
  const person = await hoarder(app)
  await app.db.run(`update files set format = 'png'`)
  const all = everything({})
  const share = (await person.post('/gallery/share/selection', all)).location
  const [one] = (await person.get('/library')).html.querySelectorAll('[name="id"]')
  const little = { act: 'tag', tags: 'Few', id: one!.getAttribute('value')!, back: '/library' }
  await beginIn(t)
  const doors = {
    export: await person.post('/exports', all),
    everything: await person.post('/exports/everything', all),
    import: await person.upload('/imports', [['a.zip', zipOf([{ name: 'a.txt', content: 'x' }])]]),
    change: await person.post('/library/selection', { ...all, act: 'tag', tags: 'Many' }),
    share: await person.post(share, { where: 'gallery', name: 'Alice' }),
  }
  for (const [door, answer] of Object.entries(doors)) {
    assert.equal(answer.status, 503, door)
    assert.match(answer.text, refused, door)
    assert.ok(Number(answer.headers['retry-after']) >= 60, door)
  }
  const { rows } = await app.db.pool.query(
    `select (select count(*) from exports) + (select count(*) from imports) + (select count(*) from library_changes)
       + (select count(*) from gallery_shares where state <> 'asked') as begun`,
  )
  assert.deepEqual(rows, [{ begun: 0 }])
  assert.equal((await person.post('/library/selection', little)).status, 303)
  await maintain('end')
  assert.equal((await person.post(share, { where: 'gallery', name: 'Alice' })).location, '/gallery/mine')
})

test('a command on the machine begins maintenance, says what is left, and ends it; each once, in the log of operators', async t => {
  t.after(() => maintain('end'))
  const run = (...args: string[]) =>
    runScript('maintenance', [...args, '--json'], environmentOf(app.config, app.db.url))
  assert.equal((await run()).code, 2)
  assert.equal((await run('on', '--until', '2096-03-01T12:00')).code, 2, 'of which zone')
  assert.equal((await run('on', '--dry-run')).report.on, false)
  const on = await run('on', '--until', '2096-03-01T12:00+01:00')
  assert.deepEqual([on.code, on.report.on, on.report.until], [0, true, '2096-03-01T11:00:00.000Z'])
  const person = await alice(app)
  assert.equal((await person.post('/images', { prompt: 'one', submission: randomUUID() })).status, 503)
  assert.match((await admin.get('/admin/log')).text, /a command on the machine[\s\S]*began maintenance/)
  const { report } = await run('status')
  assert.deepEqual(report, { ...on.report, left: report.left })
  assert.equal((await run('off')).report.on, false)
  assert.deepEqual((await run('off')).report.since, null)
  assert.equal((await person.post('/images', { prompt: 'one', submission: randomUUID() })).status, 303)
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
