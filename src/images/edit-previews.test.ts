import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { editTokenCost } from '../account/edit-previews.ts'
import { groupIds } from '../mock/groups.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

/** Somebody with a picture and a key of an API-key account. */
async function editor(): Promise<{ person: Person; token: string }> {
  const person = await alice(app)
  const key = app.mock.control.addKey(person.email, { group_id: groupIds.studio })
  await person.post('/account/key', { key_id: String(key.id) })
  const { token } = await makePicture(app, person, 'a chair')
  return { person, token }
}

async function edit(person: Person, token: string, prompt: string) {
  const id = await ask(person, prompt, { reference: token, size: '1024x1024' })
  const row = await until('the cost', async () => {
    const job = await jobRow(app.db, id)
    return job.cost !== null && job
  })
  const [call] = app.mock.control.calls({ prompt })
  return { id, cost: row.cost!, stream: call!.stream, previews: call!.fields.partial_images }
}

const quoteOf = async (person: Person, token: string) => {
  const query = new URLSearchParams({ reference: token, size: '1024x1024', quality: 'high', n: '1' })
  return (
    (await person.get(`/images/quote?${query}`, { htmx: true })).html.querySelector('.by-tokens')?.text.trim() ?? null
  )
}

test('whoever wants previews for edits is told what they may cost, and what the key was seen to bill', async () => {
  const { person, token } = await editor()
  assert.equal((await edit(person, token, 'without previews')).stream, false)
  assert.equal(await quoteOf(person, token), null)
  const page = await person.get('/account')
  assert.match(
    page.html.querySelector('#edit-previews')!.text,
    /by tokens instead of by picture: about \$0\.\d+ .* instead of \$0\.08/s,
  )

  const chosen = await person.post('/account/edit-previews', { wanted: 'yes' })
  assert.equal(chosen.location, '/account#edit-previews')
  const pressed = (await person.get('/account')).html.querySelector('#edit-previews [aria-pressed="true"]')!
  assert.equal(pressed.getAttribute('value'), 'yes')
  assert.match((await quoteOf(person, token))!, /^With previews this key may bill the edit by tokens: about \$0\.\d+/)

  const streamed = await edit(person, token, 'with previews')
  assert.deepEqual([streamed.stream, streamed.previews], [true, ['2']])
  assert.ok(streamed.cost > 0.08, 'by tokens')
  assert.match((await quoteOf(person, token))!, /^With previews this key bills edits by tokens/)

  const other = await charlie(app)
  assert.equal(await quoteOf(other, token), null, 'hers alone')
  await person.post('/account/edit-previews', { wanted: 'no' })
  assert.equal((await edit(person, token, 'off again')).stream, false)
  assert.equal((await person.post('/account/edit-previews', { wanted: 'perhaps' })).status, 400)
})

test('the balance is warned of, and the price counted, by tokens where an edit is billed so', async () => {
  const { person, token } = await editor()
  const { id } = app.mock.control.user(person.email, { balance: 0.15 })
  await person.post('/account/balance')
  await person.post('/account/edit-previews', { wanted: 'yes' })
  const form = { reference: token, size: '1024x1024' }
  const asked = await person.post('/images', { ...form, prompt: 'dearer than it looks' })
  assert.equal(asked.status, 422)
  assert.match(asked.html.querySelector('#form-error')!.text, /may cost \$0\.3\d+, and your balance is \$0\.15/)
  const batch = { ...form, prompts: 'one\ntwo', step: 'preview' }
  assert.match((await person.post('/images/batch', batch)).html.querySelector('.by-tokens')!.text, /by tokens/)

  app.mock.control.user(person.email, { rates: { [groupIds.studio]: 0.5 } })
  await app.db.run(`update accounts set key_checked_at = null where user_id = $1`, [id])
  assert.match((await quoteOf(person, token))!, /about \$0\.1\d+/, 'by the rate of the group')

  await person.post('/account/edit-previews', { wanted: 'no' })
  await ask(person, 'by picture', form)
})

test('a key that was seen to bill streamed edits by picture is not warned of', async () => {
  const person = await alice(app)
  const { token } = await makePicture(app, person, 'a table')
  await person.post('/account/edit-previews', { wanted: 'yes' })
  assert.ok(await quoteOf(person, token))
  assert.equal((await edit(person, token, 'an account that counts')).cost, 0.134)
  assert.equal(await quoteOf(person, token), null)
})

test('the tokens of a picture follow the published formula', () => {
  const cost = (size: string, quality: string) =>
    Math.round((editTokenCost({ size, quality, n: 1, references: 0, previews: 0 }) - 100e-6) / 30e-6)
  assert.deepEqual(
    [cost('1024x1024', 'low'), cost('1024x1024', 'medium'), cost('1024x1024', 'high'), cost('1536x1024', 'high')],
    [196, 1756, 7024, 5488],
  )
  assert.equal(cost('3840x2160', 'medium'), 3336)
})

test('a silent edit that a proxy gave up is told to the log, to /ready and to the person, with the cure', async () => {
  const { person, token } = await editor()
  const notes = async () => ((await (await fetch(`${app.url}/ready`)).json()) as { notes?: string[] }).notes
  assert.equal(await notes(), undefined)
  app.mock.control.fault({ match: { prompt: 'silent for too long' }, reply: 'proxy_504' })
  const id = await ask(person, 'silent for too long', { reference: token })
  assert.equal((await jobEnd(app.db, id)).failureReason, 'timeout')
  assert.match(
    (await person.get(`/images/${id}`)).html.querySelector('.next')!.text,
    /Previews while editing, on the account page, would keep it open/,
  )
  assert.match((await notes())!.join(), /^1 edit was given up .*PLAYGROUND_PARTIAL_IMAGES_EDITS/)
  assert.ok(app.logs.some(line => line.includes(id) && line.includes('the line to the gateway was silent')))

  const cut = async (prompt: string, after: string) => {
    const fault = { match: { prompt }, hold: 'before_headers', cut: 'before_headers' } as const
    const held = app.mock.control.fault(fault)
    const edited = await ask(person, prompt, { reference: token })
    await app.mock.control.waitForCalls(1, { prompt, state: 'held' })
    await app.db.run(`update image_jobs set called_at = now() - $2::interval where id = $1`, [edited, after])
    app.mock.control.release(held)
    assert.deepEqual([(await jobEnd(app.db, edited)).failureReason], ['gateway_down'])
    return (await person.get(`/images/${edited}`)).html.querySelector('.next')!.text
  }
  assert.doesNotMatch(await cut('cut off at once', '5 seconds'), /silent/)
  assert.match(
    await cut('cut off after a while', '70 seconds'),
    /silent for more than a minute. If .* would keep it open/,
  )
  assert.match((await notes())![1]!, /^1 edit was cut off .* more than 60 seconds .*PLAYGROUND_PARTIAL_IMAGES_EDITS/)
  assert.ok(app.logs.some(line => line.includes('the line to the gateway broke after a long silence')))

  await person.post('/account/edit-previews', { wanted: 'yes' })
  app.mock.control.fault({ match: { prompt: 'not silent' }, reply: 'proxy_504' })
  const streamed = await ask(person, 'not silent', { reference: token })
  await jobEnd(app.db, streamed)
  assert.doesNotMatch((await person.get(`/images/${streamed}`)).html.querySelector('.next')!.text, /would keep it open/)
})
