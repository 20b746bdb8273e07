import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import type { Key as MockKey } from '../mock/state.ts'
import type { Page } from '../testing/browser.ts'
import { answerCalls, replyIn, say } from '../testing/conversations.ts'
import { ask, jobEnd, jobIn, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { tookSoLong } from '../testing/receipts.ts'
import { testApp, until } from '../testing/server.ts'

// What is said about the money before it is spent: the price, the key that pays, its limits, the balance.

const app = await testApp({
  worker: { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 5 },
})
const { control } = app.mock
const htmx = { htmx: true }
const KEYS = '/api/v1/keys'

const idOf = (person: Person) => control.user(person.email).id
const words = (page: Page, selector: string) =>
  page.html.querySelector(selector)?.text.replace(/\s+/g, ' ').trim() ?? ''

/** As if what is known of the person's key had been read long ago. */
async function age(person: Person, interval = '6 minutes'): Promise<void> {
  const update = 'update accounts set key_checked_at = now() - $2::interval where user_id = $1'
  assert.equal(await app.db.run(update, [idOf(person), interval]), 1)
}

async function countJobs(person: Person): Promise<number> {
  const select = 'select count(*) from image_jobs where user_id = $1'
  return (await app.db.one(z.object({ count: z.number() }), select, [idOf(person)])).count
}

function keyNamed(person: Person, name: string): MockKey {
  const key = control.keysOf(person.email).find(each => each.name === name)
  assert.ok(key, `no key ${name}`)
  return key
}

/** With this key chosen; nobody else uses it. */
async function payingWith(name: string, fields: Partial<MockKey> = {}): Promise<Person> {
  const person = await alice(app)
  const key = keyNamed(person, name)
  control.key(key.id, fields)
  assert.equal((await person.post('/account/key', { key_id: String(key.id) })).status, 303)
  return person
}

/** All fields of the form that an answer shows, to press its button once more. */
function fieldsOf(page: Page, form: string): Record<string, string> {
  const fields = page.html.querySelectorAll(`${form} input[name], ${form} textarea[name]`)
  return Object.fromEntries(
    fields.map(each => [each.getAttribute('name')!, each.getAttribute('value') ?? each.text] as const),
  )
}

/** The panel says nothing of keys; the gateway itself goes on. */
function keepSilent(person: Person): () => void {
  const hold = control.fault({ match: { path: KEYS, email: person.email }, hold: 'before_headers', times: 20 })
  return () => control.release(hold)
}

describe('the price', () => {
  test('is read again after five minutes, on Create, on Account and for a quote', async () => {
    const person = await alice(app)
    const price = async () => words(await person.get('/images/quote?size=1024x1024&n=1', htmx), '.price')
    control.user(person.email, { rates: { 10: 2 } })
    assert.equal(await price(), '≈ $0.134', 'read a moment ago')
    await age(person)
    assert.match(words(await person.get('/images'), '#composer .price'), /^≈ \$0\.268$/)

    control.user(person.email, { rates: { 10: 3 } })
    await age(person)
    assert.equal(await price(), '≈ $0.402')

    control.user(person.email, { rates: { 10: 4 } })
    await person.get('/account')
    assert.equal(await price(), '≈ $0.536', 'the account page reads the keys anyway')
  })

  test('that has gone up since the form was shown is told before it is paid', async () => {
    const person = await alice(app)
    const form = { ...fieldsOf(await person.get('/images'), '#composer'), prompt: 'a dearer one' }
    control.user(person.email, { rates: { 10: 3 } })
    await age(person)
    const asked = await person.post('/images', form, htmx)
    assert.equal(asked.status, 422)
    assert.match(words(asked, '#form-error'), /\$0\.402 instead of \$0\.134/)
    assert.equal(words(asked, 'textarea'), 'a dearer one')
    assert.equal(await countJobs(person), 0)

    const again = await person.post('/images', fieldsOf(asked, '#composer'))
    assert.equal(again.status, 303)
    const id = again.location.split('/').at(-1)!
    assert.equal((await jobEnd(app.db, id)).estimate, 0.402)
  })

  test('that has gone down needs no question', async () => {
    const person = await alice(app)
    const form = { ...fieldsOf(await person.get('/images'), '#composer'), prompt: 'a cheaper one' }
    control.user(person.email, { rates: { 10: 0.5 } })
    await age(person)
    const answer = await person.post('/images', form)
    assert.equal(answer.status, 303)
    assert.equal((await jobRow(app.db, answer.location.split('/').at(-1)!)).estimate, 0.067)
  })

  test('that cannot be read in two seconds is asked about once, with the last one known', async () => {
    const person = await alice(app)
    await age(person)
    const release = keepSilent(person)
    const asked = await person.post('/images', { prompt: 'at any price', n: '2' })
    assert.equal(asked.status, 422)
    assert.match(words(asked, '#form-error'), /did not tell its prices.*\$0\.268.*Press again/)
    assert.equal(await countJobs(person), 0)

    const form = { ...fieldsOf(asked, '#composer'), n: '2' }
    const changed = await person.post('/images', { ...form, terms: '0.1/0.1/0.1 unchecked' })
    assert.equal(changed.status, 422, 'another price was agreed to')
    const again = await person.post('/images', form, htmx)
    assert.equal(again.status, 200)
    const { estimateStale } = await app.db.one(
      z.object({ estimateStale: z.boolean() }),
      'select estimate_stale from image_jobs where user_id = $1',
      [idOf(person)],
    )
    assert.equal(estimateStale, true)

    const next = { ...fieldsOf(again, '#composer'), prompt: 'and one more' }
    assert.equal((await person.post('/images', next)).status, 303, 'the next one asks no more')
    release()
  })

  test('is asked about by the buttons of a tile too: in the notice, or on a page of its own', async () => {
    const person = await alice(app)
    const id = await ask(person, 'to be varied')
    await jobEnd(app.db, id)
    await age(person)
    const release = keepSilent(person)
    for (const [button, fields, price] of [
      ['retry', {}, /\$0\.134/],
      ['variations', { n: '3' }, /\$0\.402/],
    ] as const) {
      const asked = await person.post(`/images/${id}/${button}`, fields)
      assert.equal(asked.status, 409)
      assert.match(asked.text, price)
      const notice = await person.post(`/images/${id}/${button}`, fields, htmx)
      assert.equal(notice.status, 409)
      assert.ok(notice.html.querySelector('hx-partial[hx-target="#notice"] form'))
    }
    assert.equal(await countJobs(person), 1)
    const asked = await person.post(`/images/${id}/variations`, { n: '3' })
    const form = asked.html.querySelector('#go-on')!
    const again = await person.post(form.getAttribute('action')!, fieldsOf(asked, '#go-on'))
    assert.equal(again.status, 303)
    assert.equal((await jobRow(app.db, again.location.split('/').at(-1)!)).n, 3)
    release()
  })

  test('of a batch is asked about once, for all of its lines', async () => {
    const person = await alice(app)
    await age(person)
    const release = keepSilent(person)
    const batch = { prompts: 'one\ntwo\nthree', step: 'start' }
    const asked = await person.post('/images/batch', batch)
    assert.equal(asked.status, 422)
    assert.match(words(asked, '#form-error'), /\$0\.402/)
    assert.equal(await countJobs(person), 0)
    const again = await person.post('/images/batch', { ...fieldsOf(asked, '#batch'), ...batch })
    assert.equal(again.status, 303)
    assert.equal(await countJobs(person), 3)
    release()
  })

  test('of a size that the model chooses is a range, and at most that of the dearest tier', async () => {
    const person = await alice(app)
    const quote = await person.get('/images/quote?size=auto&n=1', htmx)
    assert.equal(words(quote, '.price'), '≈ $0.134 – $0.268')
    assert.match(words(quote, '#quote'), /by the size that comes back/)
    const hold = control.fault({ match: { prompt: 'as you like' }, hold: 'before_headers' })
    const id = await ask(person, 'as you like', { size: 'auto' })
    assert.equal((await jobIn(app.db, id, 'running')).estimate, 0.268)
    assert.match(words(await person.get('/images'), `#job-${id} .caption`), /up to \$0\.268/)
    assert.match(words(await person.get(`/images/${id}`), '.facts, dl'), /up to \$0\.268/)
    control.release(hold)
    const preview = await person.post('/images/batch', { prompts: 'a\nb', size: 'auto', step: 'preview' })
    assert.match(words(preview, '.batch-total'), /up to \$0\.536.*by the size that comes back/)
  })

  test('above the balance is warned of in the quote, and at the press of whoever has not seen that', async () => {
    const person = await alice(app)
    control.user(person.email, { balance: 0.2 })
    await person.post('/account/balance')
    const one = await person.get('/images/quote?size=1024x1024&n=1', htmx)
    assert.equal(one.html.querySelector('.over-balance'), null)
    const two = await person.get('/images/quote?size=1024x1024&n=2', htmx)
    assert.match(words(two, '.over-balance'), /balance of \$0\.20/)

    const asked = await person.post('/images', { prompt: 'beyond my means', n: '2' })
    assert.equal(asked.status, 422)
    assert.match(words(asked, '#form-error'), /\$0\.268.*balance is \$0\.20/)
    const { terms = '' } = fieldsOf(two, '#quote')
    const id = await ask(person, 'beyond my means', { n: '2', terms })
    assert.equal((await jobRow(app.db, id)).calledAt, null, 'it waits')
    control.user(person.email, { balance: 5 })
    await person.post('/account/balance')
    assert.equal((await jobEnd(app.db, id)).state, 'done')
    control.user(person.email, { balance: 0.2 })
    await person.post('/account/balance')

    const preview = await person.post('/images/batch', { prompts: 'a\nb', step: 'preview' })
    assert.equal(preview.html.querySelector('.over-balance') === null, false, 'a batch is summed up')
  })

  test('of a plan has nothing to do with the balance', async () => {
    const person = await signedIn(app, 'plan+over@example.com')
    control.user(person.email, { balance: 0.01 })
    await person.post('/account/balance')
    const quote = await person.get('/images/quote?size=1024x1024&n=4', htmx)
    assert.equal(quote.html.querySelector('.over-balance'), null)
    await ask(person, 'on the plan', { n: '4' })
  })
})

describe('a chosen key that cannot pay any more', () => {
  const spoilt: [what: string, spoil: (key: MockKey) => void, sentence: RegExp][] = [
    ['switched off', key => control.key(key.id, { status: 'inactive' }), /Weekend is switched off/],
    ['disabled', key => control.key(key.id, { status: 'disabled' }), /Weekend was disabled/],
    ['deleted', key => void app.mock.state.keys.delete(key.id), /Weekend no longer exists/],
    ['expired', key => control.key(key.id, { expires_at: '2026-01-01T00:00:00Z' }), /Weekend has expired/],
    ['used up', key => control.key(key.id, { quota: 1, quota_used: 1 }), /quota of your key Weekend is used up/],
  ]
  for (const [what, spoil, sentence] of spoilt) {
    test(`${what}: is told before anything is sent, and another one is one press away`, async () => {
      const person = await payingWith('Weekend')
      spoil(keyNamed(person, 'Weekend'))
      await age(person)
      const refused = await person.post('/images', { prompt: 'who pays?', size: '2048x2048' })
      assert.equal(refused.status, 422)
      assert.match(words(refused, '#blocked'), sentence)
      assert.match(words(refused, '#form-error'), sentence)
      assert.equal(await countJobs(person), 0)
      assert.match(words(await person.get('/images'), '#blocked'), sentence)
      assert.match(words(await person.get('/images/batch'), '#blocked'), sentence)
      assert.match(words(await person.get('/chat'), '#blocked'), sentence)
      const unsaid = await person.post('/chat', { text: 'hello', model: 'gpt-5.5' })
      assert.equal(unsaid.status, 422)
      assert.match(words(unsaid, '#chat-error'), sentence)

      const button = refused.html.querySelector('#blocked button[name="key_id"]')!
      assert.equal(button.text, 'Use Main')
      const fields = { ...fieldsOf(refused, '#composer'), size: '2048x2048' }
      const key = { key_id: button.getAttribute('value')! }
      const changed = await person.post(button.getAttribute('formaction')!, { ...fields, ...key }, htmx)
      assert.equal(words(changed, '#composer textarea'), 'who pays?', 'what was typed stays')
      assert.equal(changed.html.querySelector('#composer .notice'), null)
      assert.match(words(changed, 'hx-partial[hx-target="#key"]'), /Main/)
      const answer = await person.post('/images', fields)
      assert.equal(answer.status, 303)
      await jobEnd(app.db, answer.location.split('/').at(-1)!)
      const [call] = control.calls({ email: person.email, path: '/v1/images/generations' })
      assert.equal(call!.apiKeyId, keyNamed(person, 'Main').id)
    })
  }

  test('is known of at once when the gateway has refused it', async () => {
    const person = await payingWith('Weekend')
    control.key(keyNamed(person, 'Weekend').id, { status: 'inactive' })
    const id = await ask(person, 'off a moment ago')
    await until('it to be refused', async () => (await jobRow(app.db, id)).attempts > 0)
    await until('it to be told', async () => /switched off/.test(words(await person.get('/images'), '#blocked')))
  })

  test('without JavaScript the draft comes along to the other key', async () => {
    const person = await payingWith('Weekend')
    control.key(keyNamed(person, 'Weekend').id, { status: 'inactive' })
    await age(person)
    const form = { prompt: 'kept on the way', key_id: String(keyNamed(person, 'Main').id) }
    assert.equal((await person.post('/images/key', form)).location, '/images')
    const page = await person.get('/images')
    assert.equal(words(page, '#prompt'), 'kept on the way')
    assert.equal(page.html.querySelector('#blocked .notice'), null)
    const said = { text: 'also kept', key_id: String(keyNamed(person, 'Main').id) }
    assert.equal((await person.post('/chat/key', said)).location, '/chat')
    assert.equal(words(await person.get('/chat'), '#say'), 'also kept')
    const batch = await person.post('/images/batch/key', { prompts: 'these\ntoo', key_id: form.key_id })
    assert.equal(words(batch, '#prompts'), 'these too')
  })

  test('is not replaced by somebody else’s', async () => {
    const [mine, theirs] = [await payingWith('Weekend'), await charlie(app)]
    for (const path of ['/images/key', '/images/batch/key', '/chat/key']) {
      await theirs.post(path, { key_id: String(keyNamed(mine, 'Main').id), text: '', prompts: '' })
    }
    const { keyId } = await app.db.one(
      z.object({ keyId: z.number() }),
      'select key_id from accounts where user_id = $1',
      [idOf(theirs)],
    )
    assert.ok(control.keysOf(theirs.email).some(key => key.id === keyId))
  })
})

describe('a window of the key that is full', () => {
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
  const full = { rate_limit_5h: 1, usage_5h: 1, window_5h_start: hoursAgo(4) }

  test('is shown on Account and in the form, and waited for: nothing is sent before', async () => {
    const person = await payingWith('Weekend', { ...full, rate_limit_1d: 5, usage_1d: 2, window_1d_start: hoursAgo(3) })
    const row = words(await person.get('/account'), '#keys .key-row.chosen')
    assert.match(row, /5-hour limit \$1\.00 of \$1\.00 · opens .*daily limit \$2\.00 of \$5\.00 · begins again/)
    const page = await person.get('/images')
    assert.match(words(page, '#blocked'), /5-hour limit of your key Weekend/)
    assert.equal(page.html.querySelector('#blocked button')!.text, 'Use Main')

    const id = await ask(person, 'when it opens')
    const job = await jobRow(app.db, id)
    const opens = Date.parse(full.window_5h_start) + 5 * 3_600_000
    assert.deepEqual([job.state, job.notBefore?.getTime()], ['queued', opens])
    const tile = words(await person.get('/images'), `#job-${id}`)
    assert.match(tile, /Waits until .* for the key’s 5-hour limit/)
    assert.equal((await person.post(`/images/${id}/cancel`)).status, 303)
    assert.equal((await jobRow(app.db, id)).state, 'cancelled')
    assert.equal(control.calls({ email: person.email }).length, 0)
  })

  test('that only the gateway knows of puts a picture back into the queue until it opens', async () => {
    const person = await payingWith('Weekend')
    control.key(keyNamed(person, 'Weekend').id, { rate_limit_7d: 2, usage_7d: 2, window_7d_start: hoursAgo(24) })
    const id = await ask(person, 'not this week')
    const job = await until('the wait', async () => {
      const row = await jobRow(app.db, id)
      return row.state === 'queued' && row.notBefore && row
    })
    assert.ok(Math.abs(job.notBefore!.getTime() - (Date.now() + 6 * 86_400_000)) < 60_000)
    assert.equal(job.attempts, 0, 'to wait is no attempt')
    assert.match(words(await person.get(`/images/${id}`), '.wait-state'), /Waits until .* for the key’s weekly limit/)
    assert.match(words(await person.get('/images'), '#blocked'), /weekly limit/, 'and now the form knows too')
  })

  test('holds back every picture of the key, and each of them says so and can be paid with another', async () => {
    const person = await payingWith('Weekend', full)
    const first = await ask(person, 'told to wait')
    const id = await ask(person, 'asked for before the other was told')
    const opens = Date.parse(full.window_5h_start) + 5 * 3_600_000
    await app.db.run(`update image_jobs set retry_at = not_before where id = $1`, [first])
    await app.db.run(`update image_jobs set waits_for = null, not_before = null where id = $1`, [id])
    const wait = (await person.get(`/images/${id}`)).html.querySelector('.wait-state')!
    assert.match(wait.text, /Waits until .* for the key’s 5-hour limit/s)
    assert.equal(wait.querySelector('time')!.getAttribute('datetime'), new Date(opens).toISOString())

    const changed = await person.post('/images/key', { prompt: '', key_id: String(keyNamed(person, 'Main').id) }, htmx)
    assert.equal(words(changed, `#move-${id} button`), 'Pay with Main now')
    assert.equal((await person.post(`/images/${id}/move`)).status, 303)
    assert.equal((await jobEnd(app.db, id)).state, 'done')
    assert.equal((await jobRow(app.db, first)).state, 'queued')
  })

  test('that opens before its time lets go of what waits', async () => {
    const person = await payingWith('Weekend', full)
    const id = await ask(person, 'sooner than thought')
    control.key(keyNamed(person, 'Weekend').id, { usage_5h: 0 })
    await age(person)
    await person.get('/account')
    await person.get('/images')
    assert.equal((await jobEnd(app.db, id)).state, 'done', 'whichever page has learnt it')
  })

  test('need not be waited for: another key pays at once, if its owner says so', async () => {
    const person = await payingWith('Weekend', full)
    const id = await ask(person, 'not that long')
    const main = keyNamed(person, 'Main')
    assert.equal(
      (await person.get(`/images/${id}`)).html.querySelector(`#move-${id}`),
      null,
      'with no other key chosen',
    )
    const changed = await person.post('/images/key', { prompt: '', key_id: String(main.id) }, htmx)
    assert.equal(words(changed, `#move-${id} button`), 'Pay with Main now', 'on the open page too')
    assert.equal(words(await person.get('/images'), `#move-${id} button`), 'Pay with Main now')

    const stranger = await charlie(app)
    assert.equal((await stranger.post(`/images/${id}/move`)).status, 404)
    assert.equal((await jobRow(app.db, id)).state, 'queued')
    assert.equal((await person.post(`/images/${id}/move`, {}, htmx)).status, 200)
    assert.equal((await jobEnd(app.db, id)).state, 'done')
    const calls = control.calls({ email: person.email, path: '/v1/images/generations' })
    assert.deepEqual(
      calls.map(call => call.apiKeyId),
      [main.id],
    )
    await person.post(`/images/${id}/move`)
    assert.equal((await jobRow(app.db, id)).state, 'done', 'and never twice')
  })

  test('holds an answer back in the same way', async () => {
    for (const fields of [full, {}]) {
      const person = await payingWith('Weekend', fields)
      control.key(keyNamed(person, 'Weekend').id, full)
      const said = await person.post('/chat', { text: 'hello there', model: 'gpt-5.5' })
      assert.equal(said.status, 303)
      await until('the wait, in the thread and in the form', async () => {
        const page = await person.get(said.location)
        const waits = /Waits until .* for the key’s 5-hour limit/.test(words(page, '.progressing'))
        return waits && /5-hour limit/.test(words(page, '#blocked'))
      })
    }
  })
})

describe('an answer that waits for a window of its key', () => {
  const full = { rate_limit_1d: 1, usage_1d: 1, window_1d_start: new Date(Date.now() - 3_600_000).toISOString() }

  async function waitingAnswer(): Promise<{ person: Person; conversation: string; address: string }> {
    const person = await payingWith('Weekend', full)
    const conversation = await say(person, 'can it wait?')
    const { messageId } = await replyIn(app.db, conversation, 'queued')
    return { person, conversation, address: `/chat/${conversation}/messages/${messageId}` }
  }

  test('is called off without having cost anything', async () => {
    const { person, conversation, address } = await waitingAnswer()
    const page = await person.get(`/chat/${conversation}`)
    assert.match(words(page, '.answer-wait'), /Waits until .* for the key’s daily limit/)
    assert.equal(page.html.querySelector('.answer-wait form')!.getAttribute('action'), `${address}/stop`)
    assert.equal((await person.post(`${address}/stop`)).status, 303)
    assert.equal((await replyIn(app.db, conversation, 'stopped')).charged, 'no')
    assert.equal(answerCalls(app.mock, { email: person.email }).length, 0)
  })

  test('is paid with another key at once, if its owner says so, and never twice', async () => {
    const { person, conversation, address } = await waitingAnswer()
    const main = keyNamed(person, 'Main')
    await person.post('/chat/key', { text: '', conversation, key_id: String(main.id) })
    const page = await person.get(`/chat/${conversation}`)
    assert.equal(words(page, `.answer-wait form[action="${address}/move"] button`), 'Pay with Main now')
    assert.equal((await (await charlie(app)).post(`${address}/move`)).status, 404)
    assert.equal((await person.post(`${address}/move`, { terms: 'any' })).status, 422)
    assert.equal((await replyIn(app.db, conversation, 'queued')).state, 'queued')

    assert.equal((await person.post(`${address}/move`)).status, 303)
    await replyIn(app.db, conversation, 'done')
    await person.post(`${address}/move`)
    const calls = answerCalls(app.mock, { email: person.email })
    assert.deepEqual(
      calls.map(call => call.apiKeyId),
      [main.id],
    )
  })

  test('is let go when the window opens before its time', async () => {
    const { person, conversation } = await waitingAnswer()
    control.key(keyNamed(person, 'Weekend').id, { usage_1d: 0 })
    await person.get(`/chat/${conversation}`)
    assert.equal((await replyIn(app.db, conversation, 'queued')).state, 'queued', 'as far as is known')
    await age(person)
    await person.get('/images')
    await person.get(`/chat/${conversation}`)
    await replyIn(app.db, conversation, 'done')
  })
})

describe('numbers of a Chinese keyboard', () => {
  test('are sizes and counts like any others', async () => {
    const person = await alice(app)
    const edges = { size: 'custom', width: '８１６', height: '８１６' }
    const quote = await person.get(`/images/quote?${new URLSearchParams({ ...edges, n: '４' })}`, htmx)
    assert.equal(words(quote, '.price'), '≈ $0.536')
    const id = await ask(person, 'wide digits', { ...edges, n: '２' })
    const job = await jobRow(app.db, id)
    assert.deepEqual([job.size, job.n], ['816x816', 2])
    const pasted = await ask(person, 'both in one field', { size: 'custom', width: '1024 × 1536', height: '' })
    assert.equal((await jobRow(app.db, pasted)).size, '1024x1536')
    for (const wrong of ['10 24', '1024×', '一千']) {
      const answer = await person.post('/images', { prompt: 'x', size: 'custom', width: wrong, height: '1024' })
      assert.equal(answer.status, 422, wrong)
    }
  })
})

test('how long it takes is told by what was like it, from twenty on: in the quote, on the tile, and to nobody else', async () => {
  const [person, other] = await Promise.all([alice(app), charlie(app)])
  const [main, second] = [101, 102]
  const took = (seconds: number, times: number, { key = main, size = '1024x1024', quality = 'high', n = 1 } = {}) =>
    tookSoLong(app.db, { userId: idOf(person), keyId: key }, { size, quality, n }, seconds, times)
  const usual = async (fields: Record<string, string> = {}, who = person) => {
    const asked = new URLSearchParams({ prompt: 'a clock', size: '1024x1024', quality: 'high', ...fields })
    return words(await who.get(`/images/quote?${asked}`, htmx), '#quote .usual')
  }
  const tells = (text: string, fields = {}) => until(text, async () => (await usual(fields)) === text)
  await took(40, 10)
  await took(71, 9)
  assert.equal(await usual(), '')
  await took(70, 1, { key: second })
  // Of another key as long as this one has too few.
  await tells('usually 40–70 s')
  assert.equal(await usual({}, other), '')
  for (const asked of [{ quality: 'low' }, { n: '2' }, { size: '2048x2048' }]) assert.equal(await usual(asked), '')
  assert.equal(await usual({ size: '1024x768' }), 'usually 40–70 s', 'of its tier')
  await took(300, 20, { quality: 'medium' })
  await tells('usually 5–6 min', { quality: 'medium' })

  control.fault({ match: { prompt: 'a clock' }, hold: 'before_headers' })
  const id = await ask(person, 'a clock', { size: '1024x1024', quality: 'high' })
  await jobIn(app.db, id, 'running')
  assert.equal(words(await person.get(`/images/${id}`), '.wait .usual'), 'usually 40–70 s')
  await person.post(`/images/${id}/cancel`)
  await jobEnd(app.db, id)
})
