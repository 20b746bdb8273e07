import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { groupIds } from '../mock/groups.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import type { Browser } from '../testing/browser.ts'
import { replyIn, say, talk } from '../testing/conversations.ts'
import { ask, jobEnd, press } from '../testing/jobs.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { differences } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { findPeriod, sumUse } from './budget-queries.ts'
import { findHeld } from './reservation-queries.ts'

const app = await testApp()
const { control } = app.mock
const idOf = ({ email }: { email: string }) => control.user(email).id
const saves = (person: Browser, fields: Record<string, string>) => person.post('/spend/budgets', fields)
const isSettled = (person: Person) =>
  until('all to be settled', async () => (await findHeld(app.db, idOf(person))).usd === 0)
const textOf = (html: { text: string }) => html.text.replace(/\s+/g, ' ')
const SMALL = 0.134
/** At the dearest: it may come back as 4K. */
const DEAREST = 0.268

async function byScript(token: string, prompt: string, language = 'en') {
  const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'accept-language': language },
    body: JSON.stringify({ prompt }),
  })
  return (await answer.json()) as { code: number; message: string; reason?: string; retry_after?: number }
}

async function countRows(person: Person) {
  const select = `select (select count(*) from image_jobs where user_id = $1) as jobs,
    (select count(*) from replies where user_id = $1) as answers, (select count(*) from image_batches where user_id = $1) as batches`
  return app.db.one(z.object({ jobs: z.number(), answers: z.number(), batches: z.number() }), select, [idOf(person)])
}

describe('a budget of one’s own', () => {
  test('is refused before paying in page, batch, chat and script, in both languages, and nothing typed is lost', async () => {
    const person = await alice(app)
    const token = await tokenOf(app, await boundKey(app, person))
    await jobEnd(app.db, await ask(person, 'the one that fits'))
    await isSettled(person)
    await saves(person, { per_day: '0.20' })
    const before = await countRows(person)

    const refused = await press(person, { prompt: 'a picture that is dear to me' })
    assert.equal(refused.status, 429)
    const words = textOf(refused.html.querySelector('#budget-error')!)
    assert.match(words, /budget of \$0\.20 a day/)
    assert.match(words, /\$0\.134 spent, \$0\.00 held/)
    assert.match(words, /begins anew on \d{4}-\d\d-\d\d 00:00 \(\S+\)/)
    assert.equal(refused.html.querySelector('#prompt')!.text, 'a picture that is dear to me')
    assert.ok(refused.html.querySelector('#budget-error a[href="/spend/budgets"]'))

    const batch = await person.post('/images/batch', { prompts: 'one\ntwo', step: 'start' })
    assert.match(textOf(batch.html.querySelector('#budget-error')!), /\$0\.20 a day/)
    assert.match(batch.html.querySelector('#prompts')!.text, /one\ntwo/)

    await saves(person, { per_day: '0.10' })
    const chat = await person.post('/chat', { text: 'words that are dear to me' })
    assert.match(chat.text, /budget of \$0\.10 a day/)
    assert.ok(chat.html.querySelector('#chat-error a[href="/spend/budgets"]'))
    const sent = await person.post('/chat', { text: 'words that are dear to me' }, { htmx: true })
    assert.ok(sent.html.querySelector('hx-partial[hx-target="#chat-error"] a[href="/spend/budgets"]'))
    assert.equal(chat.html.querySelector('#say')!.text, 'words that are dear to me')

    const english = await byScript(token, 'by a script')
    assert.deepEqual([english.code, english.reason], [429, 'budget'])
    assert.ok(english.retry_after! > 0 && english.retry_after! <= 90_000)
    assert.match((await byScript(token, 'by a script', 'zh-CN')).message, /每日预算 \$0\.10 .*已花 \$0\.134/)
    await person.post('/preferences', { language: 'zh-CN', back: '/images' })
    assert.match((await press(person, { prompt: '再来一张' })).text, /每日预算 \$0\.10/)
    assert.deepEqual(await countRows(person), before)
    assert.deepEqual(control.calls({ email: person.email, method: 'POST', prompt: 'dear' }), [])
  })

  test('says so on every page from 80 % on, until it begins anew', async () => {
    const person = await alice(app)
    assert.equal((await person.get('/library')).html.querySelector('#budget-notice'), null)
    await saves(person, { per_month: '0.30' })
    await ask(person, 'four fifths and more')
    const notice = (await person.get('/library')).html.querySelector('#budget-notice')!
    assert.match(notice.text, /80 % of this month’s budget of \$0\.30/)
    await saves(person, { per_month: '300' })
    assert.equal((await person.get('/library')).html.querySelector('#budget-notice'), null, 'it was of the old one')
    await saves(person, { per_month: '0.60' })
    await ask(person, 'four fifths once more')
    assert.ok((await person.get('/library')).html.querySelector('#budget-notice'))
    await app.db.run(
      `update accounts set budget_notice = budget_notice || '{"until": "2020-01-01T00:00:00Z"}' where user_id = $1`,
      [idOf(person)],
    )
    assert.equal((await person.get('/library')).html.querySelector('#budget-notice'), null)
  })

  test('lets one thing through, once, for a reason that is kept, and in the browser only', async () => {
    const person = await alice(app)
    const token = await tokenOf(app, await boundKey(app, person))
    await saves(person, { per_day: '0' })
    assert.equal((await person.post('/spend/budgets/once', { reason: ' ' })).status, 422)
    const reason = 'the <last> one of today'
    assert.equal((await person.post('/spend/budgets/once', { reason })).status, 303)
    assert.equal((await byScript(token, 'not by a script')).reason, 'budget')
    const [first, second] = await Promise.all([
      press(person, { prompt: 'let through' }),
      press(person, { prompt: 'let through' }),
    ])
    assert.deepEqual(
      [first.status, second.status].toSorted((a, b) => a - b),
      [303, 429],
    )
    const page = await person.get('/spend/budgets')
    assert.match(textOf(page.html.querySelector('#once')!), /the <last> one of today/)
    assert.match(textOf(page.html.querySelector('#once')!), /My day of \$0\.00, with \$0\.268 used/)
    const stranger = await charlie(app)
    assert.doesNotMatch((await stranger.get('/spend/budgets')).text, /one of today/)
    assert.equal((await press(person, { prompt: 'and another' })).status, 429)
  })

  test('of a conversation counts what was said and painted in it, and another conversation has its own', async () => {
    const person = await alice(app)
    const { id } = await talk(app.db, person, 'words that cost a little')
    await isSettled(person)
    await saves(person, { per_conversation: '0.0001' })
    const refused = await person.post(`/chat/${id}/messages`, { text: 'more words' })
    assert.match(refused.text, /budget of \$0\.0001 for a conversation/)
    // What has no upper bound may take what is left.
    await replyIn(app.db, await say(person, 'elsewhere'), 'done')
    assert.equal((await person.post(`/chat/${id}/messages`, { text: 'more words' })).status, 422)
  })

  test('of a batch is for all its lines at the dearest that can come back', async () => {
    const person = await alice(app)
    await saves(person, { per_batch: '0.60' })
    const three = { prompts: 'one line\ntwo lines\nthree lines', step: 'start' }
    assert.match(
      (await person.post('/images/batch', three)).text,
      /budget of \$0\.60 for a batch has no room for this, up to \$0\.804/,
    )
    assert.equal((await person.post('/images/batch', { prompts: 'one line\ntwo lines', step: 'start' })).status, 303)
  })

  test('is typed in dollars or not at all: what cannot be read changes nothing, and charlie has his own', async () => {
    const person = await alice(app)
    await saves(person, { per_day: '５', per_month: '$20.50' })
    const page = await saves(person, { per_day: 'ten', per_month: '' })
    assert.equal(page.status, 422)
    assert.equal(page.html.querySelector('#per_day')!.getAttribute('value'), 'ten')
    const kept = await person.get('/spend/budgets')
    assert.deepEqual(
      ['per_day', 'per_month'].map(name => kept.html.querySelector(`#${name}`)!.getAttribute('value')),
      ['5', '20.5'],
    )
    const other = await charlie(app)
    assert.equal((await other.get('/spend/budgets')).html.querySelector('#per_day')!.getAttribute('value'), '')
    assert.match((await app.browser().get('/spend/budgets')).location, /^\/login/)
  })
})

describe('days and months', () => {
  test('are those of the zone of the account, to the minute of its offset', async () => {
    for (const zone of ['Asia/Tokyo', 'Asia/Kathmandu', 'America/Los_Angeles', 'Pacific/Chatham']) {
      const { from, until: end, untilText } = await findPeriod(app.db, 'day', zone)
      const clock = (date: Date) => date.toLocaleString('sv-SE', { timeZone: zone }).slice(0, 16)
      assert.deepEqual([clock(end), clock(from).slice(11)], [untilText, '00:00'])
      assert.ok(from <= new Date() && new Date() < end)
      const month = await findPeriod(app.db, 'month', zone)
      assert.match(clock(month.from), /-01 00:00$/)
    }
  })

  test('begin anew: what was called the moment before counts no more, and what is held still does', async () => {
    const person = await alice(app)
    await person.post('/account/time-zone', { time_zone: 'Asia/Kathmandu' })
    await jobEnd(app.db, await ask(person, 'called today'))
    await isSettled(person)
    await saves(person, { per_day: '0.30' })
    assert.equal((await press(person, { prompt: 'no room' })).status, 429)
    const { from } = await findPeriod(app.db, 'day', 'Asia/Kathmandu')
    await app.db.run(`update receipts set called_at = $2 where user_id = $1`, [
      idOf(person),
      new Date(from.getTime() - 1000),
    ])
    assert.match(
      textOf((await person.get('/spend/budgets')).html.querySelector('#standings')!),
      /\$0\.00 spent, \$0\.00 held, of \$0\.30/,
    )
    assert.equal((await press(person, { prompt: 'room again' })).status, 303)
  })
})

test('budgets of the operator hold for each person and for all together, and nobody lets anything through them', async () => {
  const kept = { userPerDay: 0.3, userPerMonth: null, housePerDay: 0.6, housePerMonth: null }
  const other = await testApp({ budgets: kept })
  const [first, second, third] = [await alice(other), await alice(other), await alice(other)]
  const hold = other.mock.control.fault({ match: { prompt: 'held for the house' }, hold: 'before_headers', times: 10 })
  assert.equal((await press(first, { prompt: 'held for the house' })).status, 303)
  await first.post('/spend/budgets/once', { reason: 'please' })
  assert.match(
    (await press(first, { prompt: 'held for the house' })).text,
    /\$0\.30 that the operator of this site allows each person a day/,
  )
  assert.equal((await press(second, { prompt: 'held for the house' })).status, 303)
  const refused = await press(third, { prompt: 'held for the house' })
  assert.match(refused.text, /\$0\.60 that the operator of this site allows all together a day/)
  assert.doesNotMatch(
    textOf(refused.html.querySelector('#budget-error')!),
    /spent|held/,
    'nobody is told what others spend',
  )
  assert.match(textOf((await first.get('/spend/budgets')).html.querySelector('#standings')!), /set by the operator/)
  other.mock.control.release(hold)
})

test('where there is no upper bound one call may take what is left, and no second beside it', async () => {
  const person = await alice(app)
  await saves(person, { per_day: '0.05' })
  const hold = control.fault({ match: { prompt: 'takes what is left' }, hold: 'before_headers' })
  const conversation = await say(person, 'takes what is left')
  await control.waitForCalls(1, { prompt: 'takes what is left', state: 'held' })
  assert.match((await person.post('/chat', { text: 'beside it' })).text, /budget of \$0\.05 a day/)
  control.release(hold)
  await replyIn(app.db, conversation, 'done')
})

test('however many are asked at once without an upper bound, no more is spent above a budget than one of them costs', async () => {
  const LIMIT = 1
  const person = await alice(app)
  const tabs = [person, await signedIn(app, person.email), await signedIn(app, person.email)]
  await saves(person, { per_day: String(LIMIT) })
  // Much dearer than any before.
  control.user(person.email, { rates: { [groupIds.openai]: 60 } })
  app.mock.state.rates.clear()
  const asked = Array.from({ length: 12 }, (_, each) =>
    tabs[each % 3]!.post('/chat', { text: `dear words ${each}`, submission: randomUUID() }),
  )
  const statuses = (await Promise.all(asked)).map(({ status }) => status)
  assert.ok(statuses.includes(303))
  assert.ok(statuses.includes(429))
  await isSettled(person)
  const bills = app.mock.state.usage.filter(row => row.user_id === idOf(person)).map(row => row.actual_cost)
  const billed = bills.reduce((sum, usd) => sum + usd, 0)
  assert.ok(billed > LIMIT * 0.5, `only ${billed} was billed`)
  assert.ok(billed <= LIMIT + Math.max(...bills), `${billed} was billed, the dearest ${Math.max(...bills)}`)
})

test('edits by tokens are one at a time under a budget, and together only without previews', async () => {
  const person = await alice(app)
  const key = control.addKey(person.email, { name: 'Studio key', group_id: groupIds.studio })
  await person.post('/account/key', { key_id: String(key.id) })
  await person.post('/account/edit-previews', { wanted: 'yes' })
  const original = await makePicture(app, person, 'an original')
  await isSettled(person)
  await saves(person, { per_day: '20' })
  const lines = { prompts: 'one edit\ntwo edits', step: 'start', reference: original.token }
  const refused = await person.post('/images/batch', lines)
  assert.match(refused.text, /one such call at a time/)
  assert.ok(refused.html.querySelector('#budget-error a[href="/spend/budgets"]'))
  const hold = control.fault({ match: { prompt: 'held edit' }, hold: 'before_headers' })
  assert.equal((await press(person, { prompt: 'held edit', reference: original.token })).status, 303)
  const second = await press(person, { prompt: 'second edit', reference: original.token })
  assert.equal(second.status, 429)
  assert.match(second.text, /under way or about to be billed/)
  assert.equal((await press(person, { prompt: 'by picture' })).status, 303, 'what has a bound goes on')
  control.release(hold)
  await person.post('/account/edit-previews', { wanted: 'no' })
  assert.equal((await person.post('/images/batch', lines)).status, 303)
})

test('two hundred at once over tabs, scripts and batches never pass a budget, by our books and by the gateway’s', async () => {
  const crowd = await testApp({ limits: { ...app.config.limits, queuedPerUser: 1000, runningPerUser: 3 } })
  await crowded(crowd)
})

async function crowded(crowd: TestApp): Promise<void> {
  const LIMIT = 5
  const person = await alice(crowd)
  const tabs: Browser[] = [person, await signedIn(crowd, person.email), await signedIn(crowd, person.email)]
  const token = await tokenOf(crowd, await boundKey(crowd, person))
  await person.post('/spend/budgets', { per_day: String(LIMIT) })
  const userId = crowd.mock.control.user(person.email).id
  const used: number[] = []
  const note = async () => {
    const { spent, held } = await sumUse(crowd.db, { of: 'person', userId, from: new Date(0) })
    used.push(spent + held)
  }

  const script = async () => {
    const headers = { authorization: `Bearer ${token}`, 'idempotency-key': randomUUID() }
    const body = JSON.stringify({ prompt: 'in a crowd' })
    for (;;) {
      const answer = await fetch(`${crowd.url}/api/playground/ssh/tasks`, { method: 'POST', headers, body })
      await answer.arrayBuffer()
      if (answer.status !== 503) return answer.status === 202 ? 1 : 0
    }
  }
  const tab = async (each: number) => ((await press(tabs[each % 3]!, { prompt: 'in a crowd' })).status === 303 ? 1 : 0)
  const batch = async (each: number) => {
    const form = { prompts: 'in a crowd\nin a crowd, too', step: 'start', submission: randomUUID() }
    for (;;) {
      const answer = await tabs[each % 3]!.post('/images/batch', form)
      if (answer.status !== 503) return answer.status === 303 ? 2 : 0
    }
  }
  const ask = (each: number) => (each % 10 === 0 ? batch(each) : each % 4 === 0 ? tab(each) : script())
  const asked = Array.from({ length: 200 }, async (_, each) => {
    const count = await ask(each)
    await note()
    return count
  })
  const made = (await Promise.all(asked)).reduce<number>((sum, each) => sum + each, 0)
  assert.ok(made >= Math.floor(LIMIT / DEAREST), `only ${made} were let in`)
  await until('all to be made', async () => crowd.mock.control.calls({ userId, state: 'done' }).length === made)
  assert.deepEqual(await differences(crowd, [person.email]), [])
  const dearest = Math.max(...used)
  assert.ok(dearest > LIMIT * 0.7 && dearest <= LIMIT + 1e-9, `as much as ${dearest} was spent or held`)
  const bills = crowd.mock.state.usage.filter(row => row.user_id === userId)
  const billed = bills.reduce((sum, row) => sum + row.actual_cost, 0)
  assert.equal(billed.toFixed(6), (made * SMALL).toFixed(6))
  assert.ok(billed <= LIMIT)
}
