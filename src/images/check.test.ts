import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

// The usage row is looked for by itself at first: these tests come when that has given up.
const forget = (id: string) =>
  app.db.run(`update image_jobs set cost = null, cost_until = null, charged = 'unknown' where id = $1`, [id])
const age = (id: string, minutes: number) =>
  app.db.run(
    `update image_jobs set called_at = called_at - make_interval(mins => $2),
       finished_at = finished_at - make_interval(mins => $2) where id = $1`,
    [id, minutes],
  )

/** Looks into the job until the gateway has written so many bills since its call. */
async function billsSeen(person: Person, id: string, bills: number): Promise<void> {
  await until('the bills', async () => {
    await app.db.run(`update image_jobs set evidence = null, charged = 'unknown' where id = $1`, [id])
    await age(id, 1)
    await person.post(`/images/${id}/check`)
    const { rows } = await app.db.pool.query(`select evidence->'rows' as rows from image_jobs where id = $1`, [id])
    return rows[0].rows === bills
  })
}

test('a charged request without a picture says so, with the row of the gateway and what it cost', async () => {
  const person = await alice(app)
  app.mock.control.fault({ cut: 'before_completed', match: { email: person.email } })
  const id = await ask(person, 'cut off, but billed')
  assert.equal((await jobEnd(app.db, id)).state, 'unknown')
  await until('the bill', async () => (await jobEnd(app.db, id)).cost)
  await forget(id)
  assert.ok((await person.get(`/images/${id}`)).html.querySelector(`form[action="/images/${id}/check"]`))
  const answer = await person.post(`/images/${id}/check`)
  assert.equal(answer.location, `/images/${id}`)
  const page = await person.get(`/images/${id}`)
  assert.match(
    page.html.querySelector('.check-charged')!.textContent,
    /^Charged \$[\d.]+, and no picture came.*usage row \d+/,
  )
  assert.ok(page.html.querySelector('.verdict-yes'))
  assert.equal(page.html.querySelectorAll('form[action$="/check"]').length, 0)
  const row = await jobEnd(app.db, id)
  assert.ok(row.cost! > 0)
})

test('a request without a bill is not charged, once the gateway must have written one', async () => {
  const person = await alice(app)
  app.mock.control.fault({ cut: 'after_headers', noUsage: true, match: { email: person.email } })
  const id = await ask(person, 'cut off, never billed')
  await jobEnd(app.db, id)
  const early = await person.post(`/images/${id}/check`, {}, { htmx: true })
  assert.match(early.text, /No bill for this request so far/)
  assert.equal((await jobEnd(app.db, id)).charged, 'unknown')
  await age(id, 21)
  await person.post(`/images/${id}/check`)
  const page = await person.get(`/images/${id}`)
  assert.match(page.html.querySelector('.check-not_charged')!.textContent, /^Not charged\. The gateway has no bill/)
  assert.ok(page.html.querySelector('.verdict-no'))
  assert.equal((await jobEnd(app.db, id)).charged, 'no')
})

test('a reply that ended without a picture needs no long wait', async () => {
  const person = await alice(app)
  app.mock.control.fault({ end: 'before_completed', noUsage: true, match: { email: person.email } })
  const id = await ask(person, 'ended without one')
  assert.equal((await jobEnd(app.db, id)).failureReason, 'upstream')
  await age(id, 2)
  await person.post(`/images/${id}/check`)
  assert.equal((await jobEnd(app.db, id)).charged, 'no')
})

test('without a request id a strange bill leaves it open, and only bills of known jobs do not', async () => {
  const person = await alice(app)
  app.mock.control.fault({ cut: 'before_headers', match: { email: person.email } })
  const id = await ask(person, 'cut before a word')
  assert.equal((await jobEnd(app.db, id)).requestId, null)
  const known = await ask(person, 'an ordinary one')
  await until('its bill', async () => (await jobEnd(app.db, known)).cost)
  await billsSeen(person, id, 2)
  await age(id, 21)
  await person.post(`/images/${id}/check`)
  const page = await person.get(`/images/${id}`)
  assert.match(page.html.querySelector('.check-unclear')!.textContent, /do not say which of them/)
  assert.equal((await jobEnd(app.db, id)).charged, 'unknown')
})

test('the request id of an attempt that was refused says nothing about the next one', async () => {
  const person = await alice(app)
  const match = { email: person.email }
  const concurrency = { type: 'rate_limit_error', message: 'Concurrency limit exceeded for user, please retry later' }
  app.mock.control.fault({ match, error: { at: 'after_headers', ...concurrency } })
  app.mock.control.fault({ match, cut: 'before_headers' })
  const id = await ask(person, 'refused, then cut off')
  const row = await jobEnd(app.db, id)
  assert.deepEqual([row.state, row.attempts, row.requestId], ['unknown', 2, null])
  await billsSeen(person, id, 1)
  await age(id, 21)
  await person.post(`/images/${id}/check`)
  assert.equal((await jobEnd(app.db, id)).charged, 'unknown')
})

test('a job that is not in doubt is left as it is, and nobody looks into that of another', async () => {
  const person = await alice(app)
  const id = await ask(person, 'all went well')
  await jobEnd(app.db, id)
  const before = app.mock.control.panelCalls({ path: '/api/v1/usage', email: person.email }).length
  await person.post(`/images/${id}/check`)
  const { rows } = await app.db.pool.query('select evidence from image_jobs where id = $1', [id])
  assert.equal(rows[0].evidence, null)
  assert.ok(before >= 0)
  const stranger = await charlie(app)
  assert.equal((await stranger.post(`/images/${id}/check`)).status, 404)
})
