import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from '../testing/browser.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const { mock, db } = app

const typed = 'A fox in the snow, "HELLO" on a sign, {place}'
const better = 'A fox in deep snow at dusk, "HELLO" on a sign, {place}'
const composed = (page: Page) => page.html.querySelector('#prompt')!.textContent
const asked = (person: Person) =>
  mock.control.calls({ email: person.email }).filter(({ path }) => path === '/v1/responses')

/** To the page that says what it may cost. */
async function open(person: Person, fields: Record<string, string>): Promise<string> {
  const { status, location } = await person.post('/prompts/suggestions', fields)
  assert.equal(status, 303)
  return location
}

async function ask(person: Person, address: string): Promise<Page> {
  const model = (await person.get(address)).html
    .querySelector('[name="model"] option[selected]')!
    .getAttribute('value')!
  assert.equal((await person.post(`${address}/ask`, { model })).location, address)
  return until('the model has answered', async () => {
    const page = await person.get(address)
    return page.html.querySelector('.suggestion[hx-get]') ? null : page
  })
}

test('a prompt is improved for a price that is said before, shown as what changed, taken, and undone', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { email: person.email, path: '/v1/responses' }, answer: better })
  const address = await open(person, { prompt: typed, quality: 'low' })
  const before = await person.get(address)
  assert.match(before.html.querySelector('[name="model"] option[selected]')!.text, /-mini · price not known yet/)
  assert.equal(asked(person).length, 0, 'nothing unasked')

  const done = await ask(person, address)
  const words = done.html.querySelector('.changes')!
  assert.deepEqual(
    words.querySelectorAll('ins').map(each => each.text.trim()),
    ['deep', 'at dusk'],
  )
  assert.equal(done.html.querySelectorAll('.receipt').length, 1)
  const [call] = asked(person)
  assert.equal(asked(person).length, 1)
  assert.match(JSON.stringify(call!.fields), /curly braces/)

  // As often as it is pressed.
  await person.post(`${address}/ask`, { model: 'gpt-5.4-mini' })
  assert.equal(asked(person).length, 1)

  const taken = await person.get(`/images?suggested=${address.split('/').at(-1)}`)
  assert.equal(composed(taken), better)
  assert.equal(taken.html.querySelector('[name="quality"] option[selected]')!.getAttribute('value'), 'low')
  assert.equal(composed(await person.get(taken.html.querySelector('.notice a')!.getAttribute('href')!)), typed)
  assert.match((await person.get('/prompts')).text, /A fox in deep snow/)

  await until('the bill', async () => {
    const sums = await person.get('/spend?by=kind')
    return /Improved prompts/.test(sums.text)
  })
  const held = `select 1 from reservations where kind = 'improve'`
  assert.equal((await db.pool.query(held)).rows.length, 0)
  const again = await open(person, { prompt: typed })
  await until('the price of the last one', async () =>
    /up to \$0\.\d+ lately/.test((await person.get(again)).html.querySelector('option[selected]')!.text),
  )
})

test('a picture is described from the library and as a reference; what is not hers is not there', async () => {
  const person = await alice(app)
  const { id, token } = await makePicture(app, person, 'a lighthouse')
  mock.control.fault({ match: { email: person.email, path: '/v1/responses' }, answer: '「雨中的灯塔」' })
  await person.post('/preferences', { language: 'zh-CN', back: '/prompts' })
  const address = await open(person, { picture: token, prompt: 'mine' })
  const done = await ask(person, address)
  assert.equal(done.html.querySelector('.suggestion-text')!.text, '雨中的灯塔')
  const [call] = asked(person)
  assert.match(JSON.stringify(call!.fields), /Simplified Chinese.*data:image/)
  const name = address.split('/').at(-1)
  assert.equal(composed(await person.get(`/images?suggested=${name}`)), '雨中的灯塔')
  assert.equal(composed(await person.get(`/images?suggested=${name}&as=typed`)), 'mine')
  await open(person, { picture: id })

  const stranger = await charlie(app)
  assert.equal((await stranger.get(address)).status, 404)
  assert.equal((await stranger.post(`${address}/ask`, { model: 'gpt-5.4-mini' })).status, 404)
  assert.equal((await stranger.post(`${address}/again`)).status, 404)
  assert.equal((await stranger.post('/prompts/suggestions', { picture: id })).status, 404)
  assert.notEqual(composed(await stranger.get(`/images?suggested=${name}`)), '雨中的灯塔')
  assert.equal((await person.post('/prompts/suggestions', { prompt: ' ' })).status, 422)
})

test('what broke is said to be unknown, is not asked again by itself, and what was typed is still there', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { email: person.email, path: '/v1/responses' }, cut: 'after_partial' })
  const address = await open(person, { prompt: typed })
  const lost = await ask(person, address)
  assert.match(lost.html.querySelector('.notice.warn')!.text, /may have been charged/)
  assert.match(lost.html.querySelector('form.row button')!.text, /may cost a second time/)
  assert.equal(asked(person).length, 1)
  assert.equal(composed(await person.get(`/images?suggested=${address.split('/').at(-1)}`)), typed)
  const { location } = await person.post(`${address}/again`)
  assert.notEqual(location, address)
  assert.equal(asked(person).length, 1, 'that is said first')
})

test('a refusal of the gateway is told with what it cost, a budget before anything is asked', async () => {
  const person = await alice(app)
  mock.control.fault({
    match: { email: person.email, path: '/v1/responses' },
    reply: { status: 503, body: { error: { type: 'api_error', message: 'Service temporarily unavailable' } } },
  })
  const refused = await ask(person, await open(person, { prompt: typed }))
  assert.match(refused.html.querySelector('.notice.warn')!.text, /not your fault|no free upstream/)
  assert.match(refused.html.querySelector('.judged')!.text, /nothing billed/)

  await makePicture(app, person, 'what uses the budget up')
  await person.post('/spend/budgets', { per_day: '0.05' })
  const address = await open(person, { prompt: typed })
  const before = asked(person).length
  const full = await person.post(`${address}/ask`, { model: 'gpt-5.4-mini' })
  assert.equal(full.status, 429)
  assert.equal(asked(person).length, before)
  assert.ok((await person.get(address)).html.querySelector('.suggestion-ask'), 'it can still be asked for')
  assert.equal((await person.post(`${address}/ask`, { model: 'nobody-has-this' })).status, 422)
})

test('a worker that dies over the call leaves it unknown; one that comes too late does not ask', async () => {
  const person = await alice(app)
  const address = await open(person, { prompt: typed })
  const id = address.split('/').at(-1)!
  await db.run(
    `update suggestions set state = 'asked', asked_at = now() - interval '1 hour', model = 'gpt-5.4-mini', key_id = 1,
       expected = 0.1 where id = $1`,
    [id],
  )
  assert.equal((await db.pool.query(`select 1 from reservations where subject = $1`, [id])).rows.length, 1)
  await db.run(
    `insert into news (user_id, topic, subject) select user_id, 'suggestion-asked', id from suggestions where id = $1`,
    [id],
  )
  await db.run(`select pg_notify('work', 'news')`, [])
  await until('it is told', async () => /waited for too long/.test((await person.get(address)).text))
  assert.equal((await db.pool.query(`select 1 from reservations where subject = $1`, [id])).rows.length, 0)
  assert.equal(asked(person).length, 0)

  const other = await open(person, { prompt: typed })
  const lost = other.split('/').at(-1)!
  await db.run(`update suggestions set state = 'called', asked_at = now(), model = 'gpt-5.4-mini' where id = $1`, [
    lost,
  ])
  await db.run(
    `insert into receipts (user_id, kind, subject, key_id, model, called_at, look_at)
     select user_id, 'improve', id, 1, model, now() - interval '1 hour', now() from suggestions where id = $1`,
    [lost],
  )
  await until('nobody has told', async () => /no answer came/.test((await person.get(other)).text))
  assert.equal(asked(person).length, 0)
})
