import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Page } from '../testing/browser.ts'
import { alice, charlie, type Person, rich, signedIn } from '../testing/people.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

test('many prompts are previewed as a list with the price of each and of all, and nothing is made by that', async () => {
  const person = await alice(app)
  const page = await person.post('/images/batch', { prompts: 'one\r\n\r\n  two  \nthree', n: '2', quality: 'low' })
  assert.equal(page.status, 200)
  const lines = page.html.querySelectorAll('.batch-lines li')
  assert.deepEqual(
    lines.map(line => line.querySelector('.line-prompt')!.textContent),
    ['one', 'two', 'three'],
  )
  const each = lines.map(line => usd(line.querySelector('.line-price')!.textContent))
  assert.ok(each[0]! > 0 && each.every(price => price === each[0]))
  assert.ok(Math.abs(usd(page.html.querySelector('.batch-total')!.textContent) - 3 * each[0]!) < 0.001)
  assert.equal(page.html.querySelector('#prompts')!.textContent.trim(), 'one\r\n\r\n  two  \nthree')
  const fragment = await person.post('/images/batch', { prompts: 'one' }, { htmx: true })
  assert.equal(fragment.html.querySelectorAll('#batch-preview .batch-lines li').length, 1)
  assert.equal(await jobsOf(person), 0)
})

test('a prompt with choices in braces is every one of them: counted and priced first, never more than a batch takes', async () => {
  const person = await alice(app)
  const prompt = 'a {red|blue} {car|bus}\nin the rain {as it is}'
  const asked = await person.post('/images', { prompt, quality: 'low', size: '1536x1024' })
  assert.equal(asked.location, '/images/batch?preview=on')
  assert.equal((await person.post('/images', { prompt }, { htmx: true })).headers['hx-redirect'], asked.location)
  await person.post('/images', { prompt, quality: 'low', size: '1536x1024' })
  const page = await person.get(asked.location)
  const tail = 'in the rain {as it is}'
  const all = ['a red car', 'a red bus', 'a blue car', 'a blue bus'].map(each => `${each} ${tail}`)
  assert.deepEqual(linesOn(page), all)
  assert.equal(page.html.querySelector('#batch [name=quality] option[selected]')!.getAttribute('value'), 'low')
  assert.ok(usd(page.html.querySelector('.batch-total')!.textContent) > 0)
  assert.equal(await jobsOf(person), 0, 'nothing is made by looking')

  const field = (name: string) => page.html.querySelector(`#batch [name=${name}]`)!.getAttribute('value')!
  const prompts = page.html.querySelector('#prompts')!.textContent
  const form = { prompts, quality: 'low', size: '1536x1024', submission: field('submission') }
  const seen = { previewed: field('previewed'), terms: field('terms') }
  const asWritten = await person.post('/images/batch', { ...form, ...seen, step: 'start' })
  assert.equal(asWritten.status, 422, 'not what was shown')
  assert.deepEqual(linesOn(asWritten), [prompts.trim()])
  const started = await person.post('/images/batch', { ...form, ...seen, choices: 'on', step: 'start' })
  assert.deepEqual(promptsOn(await person.get(started.location)), all)

  const many = await person.post('/images/batch', {
    prompts: '{a|b|c|d} {a|b|c|d} {a|b|c|d}',
    choices: 'on',
    step: 'start',
  })
  assert.equal(many.status, 422)
  assert.match(many.html.querySelector('#prompts-error')!.text, /64.*50/)
  assert.equal(await jobsOf(person), 4)
})

test('a batch makes one job a line, in order, with the settings of the form; a double click starts it once', async () => {
  const person = await alice(app)
  const prompts = ['batch alpha', 'batch beta', 'batch gamma']
  const preview = await person.post('/images/batch', { prompts: prompts.join('\n'), quality: 'low', size: '1536x1024' })
  const submission = preview.html.querySelector('#batch input[name=submission]')!.getAttribute('value')!
  const start = { prompts: prompts.join('\n'), quality: 'low', size: '1536x1024', step: 'start', submission }
  const answers = await Promise.all([1, 2, 3].map(() => person.post('/images/batch', start)))
  assert.deepEqual(new Set(answers.map(answer => answer.location)).size, 1)
  const url = answers[0]!.location
  await ended(person, url, 3)
  const page = await person.get(url)
  assert.deepEqual(promptsOn(page), prompts)
  for (const prompt of prompts) {
    const [call, ...more] = app.mock.control.calls({ prompt })
    assert.deepEqual([call!.size, call!.quality, more.length], ['1536x1024', 'low', 0])
  }
  const { headers } = await person.post('/images/batch', start, { htmx: true })
  assert.equal(headers['hx-redirect'], url)
  assert.equal(await jobsOf(person), 3)
  // Back in the same form, with another line.
  const changed = await person.post('/images/batch', { ...start, prompts: 'batch delta' })
  assert.notEqual(changed.location, url)
  assert.equal(await jobsOf(person), 4)
})

test('no line, 51 lines, a bad line and bad settings each get their sentence, and nothing starts', async () => {
  const person = await alice(app)
  const start = (prompts: string, more: Record<string, string> = {}) =>
    person.post('/images/batch', { prompts, step: 'start', ...more })
  const empty = await start(' \n ')
  assert.equal(empty.status, 422)
  assert.match(empty.html.querySelector('#prompts-error')!.textContent, /at least one prompt/)
  const many = await start(Array.from({ length: 51 }, (_, line) => `line ${line}`).join('\n'))
  assert.equal(many.status, 422)
  assert.match(many.html.querySelector('#prompts-error')!.textContent, /51 lines; the limit is 50/)
  const long = await start(`fine\n${'x'.repeat(32_001)}`)
  assert.equal(long.status, 422)
  assert.equal(long.html.querySelectorAll('.batch-lines li.wrong').length, 1)
  assert.equal(long.html.querySelectorAll('button[value=start]').length, 0)
  const settings = await start('fine', { size: '17x17' })
  assert.equal(settings.status, 422)
  assert.ok(settings.html.querySelector('#size-error'))
  assert.equal(await jobsOf(person), 0)
})

test('what would be more than may wait is refused as a whole, with what is free', async () => {
  const person = await alice(app)
  const release = hold(person)
  const lines = (count: number, word: string) =>
    Array.from({ length: count }, (_, line) => `${word} ${line}`).join('\n')
  const first = await person.post('/images/batch', { prompts: lines(50, 'first'), step: 'start' })
  assert.equal(first.status, 303)
  const more = await person.post('/images/batch', { prompts: lines(50, 'more'), step: 'start' })
  assert.equal(more.status, 429)
  assert.ok(Number(more.headers['retry-after']) > 0)
  assert.match(more.html.querySelector('#form-error')!.textContent, /at most 50 may wait/)
  assert.equal(await jobsOf(person), 50)
  await person.post(`${first.location}/cancel`)
  release()
})

test('a paused batch starts nothing more until it goes on; what runs goes on; the rest can be cancelled', async () => {
  const person = await alice(app)
  const release = hold(person)
  const prompts = Array.from({ length: 8 }, (_, line) => `paused ${line}`)
  const { location } = await person.post('/images/batch', { prompts: prompts.join('\n'), step: 'start' })
  await app.mock.control.waitForCalls(4, { email: person.email, state: 'held' })
  const paused = await person.post(`${location}/pause`, {}, { htmx: true })
  assert.equal(paused.html.querySelectorAll('.state-queued').length, 4)
  assert.ok(paused.html.querySelector('.batch.paused'))
  // A job outside the batch is not held up, and shows that the worker claims on.
  release()
  await ended(person, location, 4)
  const other = await person.post('/images', { prompt: 'beside the batch' })
  await until('the other job', async () => (await person.get(other.location)).html.querySelector('.state-done'))
  assert.equal(app.mock.control.calls({ email: person.email }).length, 5)
  const queued = await person.get(location)
  assert.equal(queued.html.querySelectorAll('.state-queued').length, 4)

  await person.post(`${location}/resume`)
  await ended(person, location, 8)
  assert.equal(app.mock.control.calls({ email: person.email }).length, 9)

  const again = hold(person)
  const next = await person.post('/images/batch', { prompts: prompts.join('\n'), step: 'start' })
  await app.mock.control.waitForCalls(4, { email: person.email, state: 'held' })
  const rest = await person.post(`${next.location}/cancel`, {}, { htmx: true })
  assert.equal(rest.html.querySelectorAll('.state-cancelled').length, 4)
  again()
  await ended(person, next.location, 8)
  const page = await person.get(next.location)
  assert.equal(page.html.querySelectorAll('.state-done').length, 4)
})

test('what was not made, and what was free, is no part of the total of a batch; once all is known it is its cost', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { prompt: 'fewer of these' }, deliver: 1, noUsage: true })
  app.mock.control.fault({ match: { prompt: 'none of these' }, reply: 'moderation' })
  const prompts = 'fewer of these\nnone of these\nall of these'
  const url = (await person.post('/images/batch', { prompts, n: '2', size: '1024x1024', step: 'start' })).location
  await ended(person, url, 3)
  const totalOf = async () =>
    (await person.get(url)).html.querySelector('.batch-head .muted')!.text.replace(/\s+/g, ' ').trim()
  await until('one of the bills', async () => (await totalOf()) === '≈ $0.402')
  await app.db.run(`update image_jobs set cost = 0.134 where prompt = 'fewer of these'`)
  await until('the cost of all', async () => (await totalOf()) === 'Charged $0.402')
})

test('an unchanged batch is a 204; its tag changes with its jobs and with pause', async () => {
  const person = await alice(app)
  const release = hold(person)
  const { location } = await person.post('/images/batch', {
    prompts: ['a', 'b', 'c', 'd', 'e', 'f'].map(word => `poll ${word}`).join('\n'),
    step: 'start',
  })
  await app.mock.control.waitForCalls(4, { email: person.email, state: 'held' })
  const poll = async () => (await person.get(location)).html.querySelector('[hx-get*="?t="]')!.getAttribute('hx-get')!
  const first = await until('two polls alike', async () => {
    const url = await poll()
    return (await person.get(url, { htmx: true })).status === 204 && url
  })
  await person.post(`${location}/pause`)
  assert.equal((await person.get(first, { htmx: true })).status, 200)
  await person.post(`${location}/cancel`)
  release()
  await ended(person, location, 6)
})

test("charlie cannot see, pause, go on with or cancel alice's batch", async () => {
  const person = await alice(app)
  const release = hold(person)
  const { location } = await person.post('/images/batch', {
    prompts: Array.from({ length: 6 }, (_, line) => `hers ${line}`).join('\n'),
    step: 'start',
  })
  await app.mock.control.waitForCalls(4, { email: person.email, state: 'held' })
  const stranger = await charlie(app)
  const answers = await Promise.all([
    stranger.get(location),
    stranger.get(location, { htmx: true }),
    ...['pause', 'resume', 'cancel'].map(verb => stranger.post(`${location}/${verb}`)),
    stranger.get('/images/batches/none'),
  ])
  assert.deepEqual(
    answers.map(answer => answer.status),
    answers.map(() => 404),
  )
  const page = await person.get(location)
  assert.deepEqual(
    [page.html.querySelectorAll('.state-queued').length, page.html.querySelectorAll('.batch.paused').length],
    [2, 0],
  )
  release()
  await ended(person, location, 6)
})

test('variations ask for the same again, n times, once for a double click, and not for what is charlie’s', async () => {
  const person = await alice(app)
  const started = await person.post('/images', { prompt: 'vary me', quality: 'low', size: '1536x1024' })
  await until('the job', async () => (await person.get(started.location)).html.querySelector('.state-done'))
  const page = await person.get(started.location)
  const submission = page.html.querySelector('.variations [name=submission]')!.getAttribute('value')!
  const form = { n: '3', submission }
  const answers = await Promise.all([1, 2].map(() => person.post(`${started.location}/variations`, form)))
  assert.equal(answers[0]!.location, answers[1]!.location)
  assert.notEqual(answers[0]!.location, started.location)
  await until('the variations', async () => (await person.get(answers[0]!.location)).html.querySelector('.state-done'))
  const calls = app.mock.control.calls({ prompt: 'vary me' })
  assert.deepEqual(
    calls.map(call => [call.n, call.size, call.quality]),
    [
      [1, '1536x1024', 'low'],
      [3, '1536x1024', 'low'],
    ],
  )
  for (const n of ['0', '11', 'x']) {
    assert.equal((await person.post(`${started.location}/variations`, { n })).status, 422)
  }
  const stranger = await charlie(app)
  assert.equal((await stranger.post(`${started.location}/variations`, { n: '1' })).status, 404)
  assert.equal(await jobsOf(person), 2)
})

test('however many wait, a page asks after those that are next, at an address that every proxy takes', async t => {
  const { browser } = await app.another({ role: 'web', limits: { ...app.config.limits, queuedPerUser: 1000 } })
  const person = await rich(app, await signedIn(app, 'patient@example.com', browser()))
  const goOn = hold(person)
  t.after(async () => {
    await app.db.run(
      `update image_jobs j set state = 'cancelled', finished_at = now(), key_secret = null from users u
       where u.id = j.user_id and email = $1 and state = 'queued'`,
      [person.email],
    )
    goOn()
  })
  const prompts = Array.from({ length: 50 }, (_, i) => `long line ${i}`).join('\n')
  for (let i = 0; i < 4; i++) {
    assert.equal((await person.post('/images/batch', { prompts, step: 'start', quality: 'low' })).status, 303)
  }
  const fourBut = (others: readonly string[]) =>
    until('four to run', async () => {
      const sql = `select j.id from image_jobs j join users u on u.id = j.user_id where state = 'running' and email = $1`
      const { rows } = await app.db.pool.query<{ id: string }>(sql, [person.email])
      return rows.length === 4 && rows.every(row => !others.includes(row.id)) && rows.map(row => row.id)
    })
  const first = await fourBut([])

  const page = await until('the line to reach beyond what is counted', async () => {
    const found = await person.get('/images')
    return found.text.includes('More than 99 are before it') && found
  })
  const address = page.html.querySelector('#pulse')!.getAttribute('hx-get')!
  assert.ok(address.length < 4096, `${address.length} characters`)
  for (const id of first) assert.ok(address.includes(id))

  // The next in line take the places of those that ended.
  for (const id of first) await person.post(`/images/${id}/cancel`)
  const second = await fourBut(first)
  const { html } = await person.get(address, { htmx: true })
  const later = html.querySelector('#pulse')!.getAttribute('hx-get')!
  assert.ok(later.length < 4096, `${later.length} characters`)
  for (const id of second) assert.ok(later.includes(id))
})

/** The calls of this person stop before they answer, until the returned function is called. */
function hold(person: Person): () => void {
  const id = app.mock.control.fault({ hold: 'before_headers', match: { email: person.email }, times: 100 })
  return () => {
    app.mock.control.release(id)
    app.mock.control.clearFaults()
  }
}

async function ended(person: Person, location: string, count: number): Promise<void> {
  await until(`${count} jobs of the batch to end`, async () => {
    const { html } = await person.get(location)
    return html.querySelectorAll('.state-done, .state-failed, .state-cancelled, .state-unknown').length === count
  })
}

function promptsOn(page: Page): string[] {
  return page.html.querySelectorAll('.job .caption-prompt').map(element => element.textContent)
}

async function jobsOf(person: Person): Promise<number> {
  const { rows } = await app.db.pool.query<{ count: number }>(
    'select count(*)::int as count from image_jobs j join users u on u.id = j.user_id where u.email = $1',
    [person.email],
  )
  return rows[0]!.count
}

function usd(text: string): number {
  return Number(/\$([\d.]+)/.exec(text)?.[1])
}

function linesOn(page: Page): string[] {
  return page.html.querySelectorAll('.batch-lines .line-prompt').map(line => line.textContent)
}
