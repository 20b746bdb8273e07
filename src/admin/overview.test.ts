import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { newestReply, say } from '../testing/conversations.ts'
import { ask, jobEnd, jobIn } from '../testing/jobs.ts'
import { alice, type Person, rich, signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
let admin: Person
before(async () => {
  app = await testApp({ worker: { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 0.5, persistSeconds: 5 } })
  admin = await signedIn(app, 'admin@example.com')
})

const idOf = ({ email }: Person) => app.mock.control.user(email).id

/** What they were charged, once all their bills have come. */
async function billed(person: Person): Promise<string> {
  const { rows } = await until('the bills', async () => {
    const found = await app.db.pool.query<{ usd: string; open: number }>(
      `select sum(amount) filter (where charged = 'yes')::float8::text as usd,
         count(*) filter (where amount is null and charged <> 'no')::int as open from receipts where user_id = $1`,
      [idOf(person)],
    )
    return found.rows[0]!.open === 0 && found
  })
  return rows[0]!.usd
}

async function textOf(path: string, selector = 'main'): Promise<string> {
  const page = await admin.get(path)
  assert.equal(page.status, 200, page.text.slice(0, 300))
  return page.html.querySelector(selector)?.text.replace(/\s+/g, ' ') ?? ''
}

test('an operator sees what waits, of whom, what failed and why, and nobody’s words, keys or pictures', async () => {
  const person = await rich(app, await alice(app))
  const picture = await makePicture(app, person, 'her secret words')
  for (const prompt of ['secret #fail-policy', 'secret #fail-end']) await jobEnd(app.db, await ask(person, prompt))
  app.mock.control.fault({ match: { prompt: 'secret held' }, hold: 'before_headers', times: 4 })
  const jobs: string[] = []
  for (let each = 0; each < 6; each++) jobs.push(await ask(person, 'secret held'))
  for (const job of jobs.slice(0, 4)) await jobIn(app.db, job, 'running')

  assert.match(await textOf('/admin/queue', '#admin-tally'), /Pictures ?2 waiting, 4 under way/)
  assert.match(await textOf('/admin/queue', '.admin-table'), new RegExp(`${person.email} ?2 ?4`))
  const failures = await textOf('/admin/queue', '#admin-failures')
  assert.match(failures, /content_policy ?Pictures ?no ?1/)
  assert.match(failures, /(end unknown|upstream|interrupted)/)
  assert.match(await textOf('/admin/queue?hours=1', '#admin-range [aria-current]'), /1 hour/)

  const key = app.mock.control.keysOf(person.email)[0]!
  for (const path of ['/admin', '/admin/queue', '/admin/people', `/admin/people/${idOf(person)}`, '/admin/money']) {
    const { text } = await admin.get(path)
    for (const secret of ['secret', key.key, picture.token]) assert.ok(!text.includes(secret), `${secret} in ${path}`)
  }

  assert.equal((await admin.post(`/admin/people/${idOf(person)}/stop`, {})).status, 400, 'asked twice')
  assert.equal((await admin.post(`/admin/people/${idOf(person)}/stop`, { sure: 'yes' })).status, 303)
  for (const job of jobs.slice(4)) assert.equal((await jobEnd(app.db, job)).state, 'cancelled')
  assert.match(await textOf('/admin/log'), /stopped what waited.*· 2/)
  app.mock.control.release()
  for (const job of jobs.slice(0, 4)) assert.equal((await jobEnd(app.db, job)).state, 'done')
})

test('answers that wait are stopped too, and what is being written goes on', async () => {
  const person = await alice(app)
  const conversation = await say(person, 'hello')
  await until('the answer', async () => (await newestReply(app.db, conversation)).state === 'done')
  await app.db.run(
    `update replies set state = 'queued', finished_at = null, not_before = now() + interval '1 day' where conversation_id = $1`,
    [conversation],
  )
  await admin.post(`/admin/people/${idOf(person)}/stop`, { sure: 'yes' })
  assert.equal((await newestReply(app.db, conversation)).state, 'stopped')
})

test('people are found by e-mail and id, page by page, and by what they store', async () => {
  const person = await alice(app)
  await makePicture(app, person, 'stored')
  await app.db.run(
    `insert into users (id, email, name, role, signed_in_at)
     select 500000 + n, 'row' || n || '@page.example', '', 'user', now() - interval '1 year' - make_interval(mins => n)
     from generate_series(1, 60) n`,
  )
  assert.match(
    await textOf(`/admin/people?q=${encodeURIComponent(person.email.toUpperCase())}`),
    new RegExp(person.email),
  )
  assert.match(await textOf('/admin/people?q=500007'), /row7@page\.example/)
  assert.match(await textOf('/admin/people?q=nobody-like-that'), /Nobody like that/)
  assert.match(await textOf('/admin/people?by=storage'), new RegExp(person.email))

  const seen: string[] = []
  for (let path: string | undefined = '/admin/people?q=page.example'; path; ) {
    const page = await admin.get(path)
    seen.push(...page.html.querySelectorAll('#admin-people th a').map(({ text }) => text))
    path = page.html.querySelector('.card > p a.button')?.getAttribute('href')?.replaceAll('&amp;', '&')
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 60 }, (_, n) => `row${n + 1}@page.example`),
  )
  assert.equal((await admin.get('/admin/people/999999999')).status, 404)
})

test('what is stuck is named with what to do, and freed; nothing that was sent is sent again', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { prompt: 'left behind' }, hold: 'before_headers', times: 1 })
  const job = await ask(person, 'left behind')
  await app.mock.control.waitForCalls(1, { prompt: 'left behind' })
  await app.db.run(
    `update image_jobs set claim = gen_random_uuid(), lease_until = now() + interval '1 day' where id = $1`,
    [job],
  )
  const spilled = await makePicture(app, person, 'to be parked')
  await app.db.run(
    `update image_jobs set spilled_by = gen_random_uuid() where id = (select job_id from pictures where id = $1)`,
    [spilled.id],
  )

  const stuck = await textOf('/admin/queue', '#stuck')
  assert.match(stuck, /Its worker is gone/)
  assert.match(stuck, /npm run spills/)
  const calls = app.mock.control.calls({ email: person.email }).length
  assert.equal((await admin.post('/admin/queue/release', { sure: 'yes' })).status, 303)
  assert.equal((await jobEnd(app.db, job)).state, 'unknown')
  assert.equal(app.mock.control.calls({ email: person.email }).length, calls)
  app.mock.control.release()
})

test('usage is that of the receipts, and bills are counted in metrics', async () => {
  const person = await rich(app, await alice(app))
  for (const prompt of ['one that comes', 'one that is billed']) await jobEnd(app.db, await ask(person, prompt))
  const usd = await billed(person)
  assert.match(await textOf(`/admin/people/${idOf(person)}`), new RegExp(`This month ?\\$${usd.replace('.', '\\.')}`))
  assert.match(await textOf('/admin/money', '#admin-quality'), /Brought a picture ?\d+ of \d+/)
  assert.match(await textOf('/admin', 'main'), /Processes ?all · \d/)

  const metrics = await until('the bills to be counted', async () => {
    const { text } = await app.browser().get('/metrics')
    return /playground_paid_calls_total\{kind="picture",verdict="as_asked"\} [1-9]/.test(text) && text
  })
  assert.match(metrics, /playground_picture_seconds_count\{model="gpt-image-2",group="[^"]+"\} [1-9]/)
  assert.match(metrics, /playground_estimated_usd_total \d/)
  assert.match(metrics, /playground_misestimated_usd_total \d/)
})

test('the page for everybody is there where the operator wants it: nobody’s data, and nothing asked of the gateway', async () => {
  assert.equal((await app.browser().get('/status')).status, 404)
  const person = await rich(app, await alice(app))
  await makePicture(app, person, 'words of hers')
  await billed(person)
  const open = await app.another({ role: 'web', statusPage: true })
  const guest = open.browser()
  // Bills are looked up beside it, now and then.
  await until('visits for which nobody asks the gateway', async () => {
    const asked = app.mock.control.panelCalls().length
    for (let visit = 0; visit < 5; visit++) assert.equal((await guest.get('/status')).status, 200)
    return app.mock.control.panelCalls().length === asked
  })
  const { text, html } = await guest.get('/status')
  const told = html.querySelector('#status')!.text.replace(/\s+/g, ' ')
  assert.match(told, /Gateway ?answers/)
  assert.match(told, /Calls that brought a picture ?\d+\.\d %/)
  for (const personal of [person.email, admin.email, 'words of hers', 'OpenAI'])
    assert.ok(!text.includes(personal), personal)

  await admin.post('/admin/bulletin/maintenance', { did: 'begin' })
  await until('maintenance to be told', async () => /Maintenance is under way/.test((await guest.get('/status')).text))
  await admin.post('/admin/bulletin/maintenance', { did: 'end' })
})
