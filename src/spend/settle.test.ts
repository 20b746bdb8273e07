import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { FaultInput } from '../mock/faults.ts'
import { hoursOff } from '../testing/clock.ts'
import { newestReply, replyIn, say, talk } from '../testing/conversations.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { settlingLock } from './settle-queries.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const usagePath = '/api/v1/usage'

/** The gateway can no longer be working on the call, and the next look is due. */
async function passTime(subject: string): Promise<void> {
  await app.db.run(
    `update receipts set works_until = now() - interval '1 second', look_at = now() where subject = $1`,
    [subject],
  )
}

/** A picture job that ended in a way nobody knows. */
async function broken(person: Person, prompt: string, fault: FaultInput): Promise<string> {
  app.mock.control.fault({ match: { prompt }, ...fault })
  const id = await ask(person, prompt)
  const { charged } = await jobEnd(app.db, id)
  assert.equal(charged, 'unknown')
  return id
}

const verdictOf = async (person: Person, id: string) =>
  (await person.get(`/images/${id}`)).html.querySelector('.verdict')!.text.trim()
const settled = (id: string, charged: string) =>
  until(`${id} to be ${charged}`, async () => (await jobRow(app.db, id)).charged === charged)
const outcomeOf = async (id: string) => {
  const { rows } = await app.db.pool.query<{ outcome: string }>(
    `select evidence->>'outcome' as outcome from image_jobs where id = $1`,
    [id],
  )
  return rows[0]!.outcome
}
const looksAt = async (subject: string) => {
  const { rows } = await app.db.pool.query<{ looks: number }>(`select looks from receipts where subject = $1`, [
    subject,
  ])
  return rows[0]?.looks ?? 0
}
const rowsOf = ({ email }: Person) => {
  const { id } = app.mock.control.user(email)
  return app.mock.state.usage.filter(row => row.user_id === id)
}

describe('a picture whose outcome is not known', () => {
  test('is charged as soon as its row is there, with the amount, and nobody had to ask', async () => {
    const person = await alice(app)
    const id = await broken(person, 'cut off, but billed', { cut: 'mid_picture' })
    await settled(id, 'yes')
    assert.equal(await verdictOf(person, id), 'Charged $0.134.')
  })

  test('is charged although the key that paid was deleted at the gateway since', async () => {
    const person = await alice(app)
    const hold = { match: { path: usagePath, email: person.email }, hold: 'before_headers' } as const
    const held = app.mock.control.fault(hold)
    const id = await broken(person, 'its key is deleted', { cut: 'mid_picture' })
    const keyId = rowsOf(person)[0]!.api_key_id
    app.mock.state.keys.delete(keyId)
    app.mock.control.release(held)
    await settled(id, 'yes')
    assert.equal((await jobRow(app.db, id)).cost, 0.134)
  })

  test('is not charged once the gateway must have written a row, and has none', async () => {
    const person = await alice(app)
    const id = await broken(person, 'cut off, never billed', { cut: 'after_headers', noUsage: true })
    assert.match(await verdictOf(person, id), /^Not known yet whether it was charged.*At the latest at/s)
    await person.post(`/images/${id}/check`)
    assert.equal(await outcomeOf(id), 'too_early')
    await passTime(id)
    await settled(id, 'no')
    assert.equal(await verdictOf(person, id), 'Not charged.')
  })

  test('is looked for a minute where the reply had come to its end, and twenty where it broke', async () => {
    const person = await alice(app)
    for (const [fault, seconds] of [
      [{ end: 'before_completed' }, 60],
      [{ cut: 'after_headers' }, 1200],
    ] as const) {
      const id = await broken(person, `looked for ${seconds} s`, { ...fault, noUsage: true })
      const { rows } = await app.db.pool.query<{ seconds: number }>(
        `select extract(epoch from works_until - ended_at)::int as seconds from receipts where subject = $1`,
        [id],
      )
      assert.equal(rows[0]!.seconds, seconds)
    }
  })

  const failures: [what: string, reply: FaultInput['reply']][] = [
    ['a deleted key', { status: 404, body: { code: 404, message: 'api key not found', reason: 'API_KEY_NOT_FOUND' } }],
    ['a limit', 'panel_limited'],
    ['a crash', 'panel_error'],
    ['an outage', 'panel_unavailable'],
    ['the page of a proxy', 'proxy_502'],
    ['rows that are none', { status: 200, body: { code: 0, message: 'success', data: 'nothing' } }],
  ]
  for (const [what, reply] of failures) {
    test(`stays unknown when the look-up fails (${what}), and is settled by the next one that does not`, async () => {
      const person = await alice(app)
      const match = { path: usagePath, email: person.email }
      app.mock.control.fault({ match, reply: reply!, times: 1000 })
      const id = await broken(person, `look-up: ${what}`, { cut: 'mid_picture' })
      await passTime(id)
      await until('a failed look', async () => (await outcomeOf(id)) === 'unheard')
      assert.equal((await person.post(`/images/${id}/check`)).status, 303)
      assert.match(await verdictOf(person, id), /^Unknown whether it was charged: the gateway could not be asked/)
      assert.equal((await jobRow(app.db, id)).charged, 'unknown')
      app.mock.control.clearFaults()
      await passTime(id)
      await settled(id, 'yes')
    })
  }

  test('waits, signed out everywhere, for the next sign-in', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { path: usagePath, email: person.email }, reply: 'panel_unavailable', times: 1000 })
    const id = await broken(person, 'signed out everywhere', { cut: 'mid_picture' })
    await person.post('/account/sessions/end-all')
    app.mock.control.clearFaults()
    await passTime(id)
    await until('a look for nobody', async () => (await outcomeOf(id)) === 'unheard')
    await signedIn(app, person.email)
    await app.db.run(`update receipts set look_at = now() where subject = $1`, [id])
    await settled(id, 'yes')
  })
})

describe('without a request id', () => {
  test('the rows that nothing explains are shown, and the person says which it was; a row explains one call', async () => {
    const person = await alice(app)
    const first = await broken(person, 'killed the first', { cut: 'before_headers' })
    const second = await broken(person, 'killed the second', { cut: 'before_headers' })
    await until('both bills', async () => rowsOf(person).length === 2)
    const known = await ask(person, 'an ordinary one')
    await settled(known, 'yes')
    for (const id of [first, second]) {
      await passTime(id)
      await until('the rows', async () => (await outcomeOf(id)) === 'unclear')
    }
    const shownFor = async (id: string) =>
      (await person.get(`/images/${id}`)).html
        .querySelectorAll('.candidates button')
        .map(button => button.getAttribute('value')!)
    const shown = await shownFor(first)
    assert.equal(shown.length, 2)
    const page = await person.get(`/images/${first}`)
    assert.match(page.html.querySelector('.candidates')!.text, /gpt-image-2 · \$0\.134/)

    const elsewhere = await app.db.pool.connect()
    await elsewhere.query('begin')
    await elsewhere.query('select pg_advisory_xact_lock(743001, hashint8($1))', [
      app.mock.control.user(person.email).id,
    ])
    assert.equal((await person.post(`/images/${first}/decide`, { row: shown[0]! })).status, 503, 'while it is settled')
    await elsewhere.query('commit')
    elsewhere.release()
    const decided = await person.post(`/images/${first}/decide`, { row: shown[0]! })
    assert.equal(decided.location, `/images/${first}`)
    assert.equal(await verdictOf(person, first), 'Charged $0.134, as you decided.')
    assert.equal((await jobRow(app.db, first)).cost, 0.134)
    await until('one row fewer', async () => (await shownFor(second)).length === 1)
    assert.equal((await person.post(`/images/${second}/decide`, { row: shown[0]! })).status, 409)
    await person.post(`/images/${second}/decide`, { row: 'none' })
    assert.equal(await verdictOf(person, second), 'Not charged, as you decided.')
    assert.equal((await person.post(`/images/${second}/decide`, { row: 'none' })).status, 409, 'once')
  })

  test('nothing strange among the rows means not charged', async () => {
    const person = await alice(app)
    const id = await broken(person, 'never billed', { cut: 'before_headers', noUsage: true })
    await settled(await ask(person, 'a known one'), 'yes')
    const { reply } = await talk(app.db, person, 'a known answer with a title')
    await until('its cost', async () => (await newestReplyCost(reply.messageId)) !== null)
    await until('the title', async () => rowsOf(person).length === 3)
    await passTime(id)
    await settled(id, 'no')
  })

  test('a picture that came is found by time and model where it is the only one', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { prompt: 'no id' }, noClientRequestId: true })
    const id = await ask(person, 'no id')
    assert.equal((await jobEnd(app.db, id)).state, 'done')
    await until('the cost', async () => (await jobRow(app.db, id)).cost === 0.134)
  })

  test('pictures made side by side bear what each was billed, where it is the same whichever row is whose', async () => {
    const person = await alice(app)
    const match = { prompt: 'side by side' }
    const hold = app.mock.control.fault({ match, noClientRequestId: true, hold: 'before_completed', times: 3 })
    const ids = await Promise.all([1, 2, 1].map((n, at) => ask(person, `side by side ${at}`, { n: String(n) })))
    await app.mock.control.waitForCalls(3, { state: 'held', ...match })
    app.mock.control.release(hold)
    for (const id of ids) assert.equal((await jobEnd(app.db, id)).state, 'done')
    await until('all bills', async () => rowsOf(person).length === 3)
    for (const id of ids) await passTime(id)
    const costs = async () => Promise.all(ids.map(async id => (await jobRow(app.db, id)).cost))
    await until('the costs', async () => !(await costs()).includes(null))
    assert.deepEqual(await costs(), [0.134, 0.268, 0.134])
  })

  test('pictures of which the bills differ are charged, and nobody says how much each was', async () => {
    const person = await alice(app)
    const match = { prompt: 'unlike' }
    const hold = app.mock.control.fault({ match, noClientRequestId: true, hold: 'before_completed', times: 3 })
    const ids = await Promise.all(['1024x1024', '2048x2048'].map(size => ask(person, `unlike ${size}`, { size })))
    await app.mock.control.waitForCalls(2, { state: 'held', ...match })
    app.mock.control.release(hold)
    for (const id of ids) assert.equal((await jobEnd(app.db, id)).state, 'done')
    await until('all bills', async () => rowsOf(person).length === 2)
    for (const id of ids) {
      const looks = await looksAt(id)
      await passTime(id)
      await until('a look', async () => (await looksAt(id)) > looks)
      assert.equal((await jobRow(app.db, id)).cost, null)
    }
  })
})

async function newestReplyCost(messageId: string): Promise<number | null> {
  const { rows } = await app.db.pool.query<{ cost: number | null }>(`select cost from replies where message_id = $1`, [
    messageId,
  ])
  return rows[0]!.cost
}

describe('an answer', () => {
  const footOf = async (person: Person, id: string) =>
    (await person.get(`/chat/${id}`)).html.querySelector('.answer-foot')!

  test('that was stopped is charged when the gateway comes to its end, and says so by itself', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'stop me' }, hold: 'mid_picture' })
    const id = await say(person, 'stop me')
    await app.mock.control.waitForCalls(1, { prompt: 'stop me', state: 'held' })
    const { messageId } = await newestReply(app.db, id)
    await person.post(`/chat/${id}/messages/${messageId}/stop`)
    await replyIn(app.db, id, 'stopped')
    assert.match((await footOf(person, id)).text, /Not known yet whether it was charged/)
    app.mock.control.release(hold)
    await until('the bill', async () => (await newestReply(app.db, id)).charged === 'yes')
    assert.match((await footOf(person, id)).querySelector('.verdict')!.text, /^Charged <?\$0\.0/)
  })

  test('that broke off without an id is left to the person, with the rows', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { prompt: 'break off' }, cut: 'before_headers' })
    const id = await say(person, 'break off')
    const { messageId } = await replyIn(app.db, id, 'unknown')
    await until('the bill', async () => rowsOf(person).length === 1)
    await passTime(messageId)
    const button = await until('the rows', async () => (await footOf(person, id)).querySelector('.candidates button'))
    await person.post(`/chat/${id}/messages/${messageId}/decide`, { row: button.getAttribute('value')! })
    const foot = await footOf(person, id)
    assert.match(foot.querySelector('.verdict')!.text, /^Charged <?\$0\.0.*as you decided/)
    assert.equal(foot.querySelector('form[action$="/check"]'), null)
  })

  test('is not said to be free where it may have been billed under the name that its model is mapped to', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { prompt: 'mapped' }, cut: 'before_headers' })
    const id = await say(person, 'mapped')
    const { messageId } = await replyIn(app.db, id, 'unknown')
    const [bill] = await until('the bill', async () => rowsOf(person).length === 1 && rowsOf(person))
    bill!.model = 'another-name'
    await passTime(messageId)
    const row = await until('the row', async () => (await footOf(person, id)).querySelector('.candidates li'))
    assert.match(row.text, /another-name/)
  })

  test('is looked at when the person asks, and not charged when there is nothing', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { prompt: 'nothing came' }, cut: 'before_headers', noUsage: true })
    const id = await say(person, 'nothing came')
    const { messageId } = await replyIn(app.db, id, 'unknown')
    await app.db.run(`update receipts set works_until = now(), look_at = null where subject = $1`, [messageId])
    assert.ok((await footOf(person, id)).querySelector('form[action$="/check"]'))
    await person.post(`/chat/${id}/messages/${messageId}/check`)
    assert.equal((await footOf(person, id)).querySelector('.verdict')!.text, 'Not charged.')
  })
})

test('nobody looks into, or decides about, what is another’s', async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  const id = await broken(person, 'hers', { cut: 'before_headers' })
  app.mock.control.fault({ match: { prompt: 'her answer' }, cut: 'before_headers' })
  const conversation = await say(person, 'her answer')
  const { messageId } = await replyIn(app.db, conversation, 'unknown')
  for (const address of [`/images/${id}`, `/chat/${conversation}/messages/${messageId}`]) {
    assert.equal((await stranger.post(`${address}/check`)).status, 404)
    assert.equal((await stranger.post(`${address}/decide`, { row: 'none' })).status, 404)
  }
})

test('a call of long ago, further back than the rows can be read, leaves the verdict on a newer one as it is', async () => {
  const person = await alice(app)
  // No look that is under way meanwhile has read a list without them.
  app.mock.control.fault({ match: { path: usagePath, email: person.email }, reply: 'panel_error', times: 1000 })
  const old = await broken(person, 'of long ago', { cut: 'before_headers', noUsage: true })
  const late = await broken(person, 'of today', { cut: 'before_headers', noUsage: true })
  const other = app.mock.control.addKey(person.email, { name: 'Elsewhere' })
  const row = { user_id: other.user_id, api_key_id: other.id, group_id: null, model: 'gpt-image-2', image_count: 1 }
  const yesterday = new Date(Date.now() - 86_400_000).toISOString()
  for (let id = 900_000; id < 901_001; id++) {
    const bill = { id, request_id: `client:${id}`, total_cost: 1, actual_cost: 1, created_at: yesterday }
    app.mock.state.usage.push({ ...row, ...bill })
  }
  app.mock.control.clearFaults()
  await app.db.run(
    `update receipts set works_until = now() - interval '1 second', look_at = now(),
       called_at = case when subject = $1 then now() - interval '40 days' else called_at end where subject in ($1, $2)`,
    [old, late],
  )
  await settled(late, 'no')
  await until('the old one to be left to the person', async () => (await outcomeOf(old)) === 'unclear')
  const notice = (await person.get(`/images/${old}`)).html.querySelector('.money')!.text
  assert.match(notice, /could not be read that far back.*It was not charged/s)
})

test('rows that were read while the gateway could still be at work say nothing of a bill that came after them', async () => {
  const person = await alice(app)
  const id = await broken(person, 'billed at the last moment', { cut: 'before_headers', noUsage: true })
  const looks = () => app.mock.control.panelCalls({ path: usagePath, email: person.email }).length
  const { id: userId } = app.mock.control.user(person.email)
  const [receipt] = (
    await app.db.pool.query<{ key_id: number }>('select key_id from receipts where subject = $1', [id])
  ).rows
  // Another process settles something of hers: what was read waits.
  await app.db.transaction(async tx => {
    await until('the turn', () => settlingLock.take(tx, userId))
    const before = looks()
    await app.db.run('update receipts set look_at = now() where subject = $1', [id])
    await until('the rows to be read', async () => looks() > before)
    const bill = { total_cost: 0.134, actual_cost: 0.134, created_at: new Date().toISOString() }
    const row = {
      id: 800_000,
      user_id: userId,
      api_key_id: receipt!.key_id,
      group_id: null,
      model: 'gpt-image-2',
      image_count: 1,
    }
    app.mock.state.usage.push({ ...row, ...bill, request_id: 'client:late' })
    await app.db.run('update receipts set works_until = now() where subject = $1', [id])
  })
  await until('a verdict', async () => !['too_early', null].includes(await outcomeOf(id)))
  assert.equal(await outcomeOf(id), 'unclear')
  assert.equal((await jobRow(app.db, id)).charged, 'unknown')
})

test('what was not made is no part of the estimate that stands for the cost', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { prompt: 'one of three' }, deliver: 1, noUsage: true })
  const id = await ask(person, 'one of three', { n: '3', size: '1024x1024' })
  assert.equal((await jobEnd(app.db, id)).state, 'done')
  for (const address of ['/images', `/images/${id}`]) {
    const job = (await person.get(address)).html.querySelector(`#job-${id}`)!
    // What was asked for is said there beside it.
    job.querySelector('.receipt')?.remove()
    const shown = job.text
    assert.match(shown, /≈\s+\$0\.134/)
    assert.doesNotMatch(shown, /0\.402/)
  }
})

test('an amount that could not be looked up in time is known when the gateway tells it again', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { path: usagePath, email: person.email }, reply: 'panel_error', times: 1000 })
  const id = await ask(person, 'its amount comes late')
  await settled(id, 'yes')
  await passTime(id)
  const looks = () => app.mock.control.panelCalls({ path: usagePath, email: person.email }).length
  const before = looks()
  await until('a look that comes to nothing', async () => looks() > before)
  app.mock.control.clearFaults()
  await until('the amount', async () => (await jobRow(app.db, id)).cost)
})

test('a machine whose clock is ahead does not say too early that nothing was charged', async () => {
  const person = await alice(app)
  const id = await broken(person, 'judged by a clock that is ahead', { cut: 'after_headers', noUsage: true })
  await hoursOff(1, () => look(id))
  assert.equal((await jobRow(app.db, id)).charged, 'unknown')
  assert.equal(await outcomeOf(id), 'too_early')
})

test('a machine whose clock is behind reads what was billed before it says that nothing was', async () => {
  const person = await alice(app)
  const hold = app.mock.control.fault({ match: { path: usagePath, email: person.email }, hold: 'before_headers' })
  const id = await broken(person, 'judged by a clock that is behind', { cut: 'mid_picture' })
  await app.db.run(`update receipts set works_until = now() - interval '1 second' where subject = $1`, [id])
  await hoursOff(-1, async () => {
    app.mock.control.release(hold)
    await look(id)
  })
  await settled(id, 'yes')
})

test('a gateway that does not answer once, of what was looked for often, is asked again soon', async () => {
  const person = await alice(app)
  const hold = app.mock.control.fault({ match: { path: usagePath, email: person.email }, hold: 'before_headers' })
  const id = await broken(person, 'looked for often', { cut: 'mid_picture' })
  app.mock.control.clearFaults()
  app.mock.control.fault({ match: { path: usagePath, email: person.email }, reply: 'panel_error', times: 1 })
  await app.db.run(`update receipts set looks = 20, works_until = now() - interval '1 second' where subject = $1`, [id])
  app.mock.control.release(hold)
  await settled(id, 'yes')
})

test('what the person may say of a call stays while the gateway is away, and it is looked for again soon', async () => {
  const person = await alice(app)
  const [first, second] = [
    await broken(person, 'in doubt', { cut: 'before_headers' }),
    await broken(person, 'in doubt', { cut: 'before_headers' }),
  ]
  await until('both bills', async () => rowsOf(person).length === 2)
  for (const id of [first, second]) {
    await passTime(id)
    await until('the rows', async () => (await outcomeOf(id)) === 'unclear')
  }
  const candidates = async () => (await person.get(`/images/${second}`)).html.querySelectorAll('.candidates button')
  // Over for long, and heard of since.
  await app.db.run(`update receipts set works_until = now() - interval '100 seconds' where subject = $1`, [second])
  const away = app.mock.control.fault({
    match: { path: usagePath, email: person.email },
    reply: 'panel_error',
    times: 99,
  })
  const looks = await looksAt(second)
  const [row] = await candidates()
  await person.post(`/images/${first}/decide`, { row: row!.getAttribute('value')! })
  await until('a look that fails', async () => (await looksAt(second)) > looks)
  assert.equal((await candidates()).length, 2)
  app.mock.control.release(away)
  app.mock.control.clearFaults()
  await until('one row fewer', async () => (await candidates()).length === 1)
})

test('whoever signs in again is told at once what could not be looked up meanwhile', async () => {
  const person = await alice(app)
  const { id: userId } = app.mock.control.user(person.email)
  const away = app.mock.control.fault({
    match: { path: usagePath, email: person.email },
    reply: 'panel_error',
    times: 99,
  })
  const id = await ask(person, 'its bill is not to be had')
  await until('a look', async () => (await looksAt(id)) > 0)
  await app.db.run(`update receipts set look_at = now() + interval '1 hour' where user_id = $1`, [userId])
  app.mock.control.release(away)
  app.mock.control.clearFaults()
  await signedIn(app, person.email)
  await until('the cost', async () => (await jobRow(app.db, id)).cost)
})

test('who looks while somebody else settles the same person looks again soon', async () => {
  const person = await alice(app)
  const { id: userId } = app.mock.control.user(person.email)
  const elsewhere = await app.db.pool.connect()
  await elsewhere.query('begin')
  await elsewhere.query('select pg_advisory_xact_lock(743001, hashint8($1))', [userId])
  const id = await ask(person, 'settled beside another')
  const refused = (line: string) => line.includes('bills could not be settled') && line.includes(`"user":${userId}`)
  await until('a look that finds no room', async () => app.logs.some(refused))
  await elsewhere.query('commit')
  elsewhere.release()
  await until('the cost', async () => (await jobRow(app.db, id)).cost)
})

test('a job that is not in doubt is left as it is', async () => {
  const person = await alice(app)
  const id = await ask(person, 'all went well')
  await settled(id, 'yes')
  await until('the cost', async () => (await jobRow(app.db, id)).cost)
  const asked = app.mock.control.panelCalls({ path: usagePath, email: person.email }).length
  await person.post(`/images/${id}/check`)
  assert.equal(app.mock.control.panelCalls({ path: usagePath, email: person.email }).length, asked)
  assert.equal((await person.post(`/images/${id}/decide`, { row: 'none' })).status, 409)
})

test('one look serves every call of a person, and settling leaves most of the minute to people', async () => {
  const person = await alice(app)
  const { id: userId } = app.mock.control.user(person.email)
  const spend = (calls: number, usage: number) =>
    app.db.run(
      `insert into panel_calls values ($1, date_trunc('minute', now()) + interval '1 hour', $2, $3)
       on conflict (user_id) do update set minute = date_trunc('minute', now()), calls = $2, usage_calls = $3`,
      [userId, calls, usage],
    )
  const looks = () => app.mock.control.panelCalls({ path: usagePath, email: person.email }).length
  const holding = app.mock.control.fault({ match: { path: usagePath, email: person.email }, hold: 'before_headers' })
  const ids = []
  for (let i = 0; i < 3; i++) ids.push(await broken(person, `together ${i}`, { cut: 'mid_picture' }))
  app.mock.control.release(holding)
  for (const id of ids) await settled(id, 'yes')

  const inDoubt = await broken(person, 'in doubt', { cut: 'after_headers', noUsage: true })
  // At the end of a minute the next one would begin with nothing used up.
  await until('the beginning of a minute', async () => new Date().getSeconds() < 50)
  await spend(120, 0)
  await passTime(inDoubt)
  const before = looks()
  await until('it to be put off', async () => {
    const { rows } = await app.db.pool.query<{ later: boolean }>(
      `select look_at > now() and look_at <= date_trunc('minute', now()) + interval '61 seconds' as later
       from receipts where subject = $1`,
      [inDoubt],
    )
    return rows[0]!.later
  })
  assert.equal(looks(), before)
  await person.post(`/images/${inDoubt}/check`)
  assert.equal((await jobRow(app.db, inDoubt)).charged, 'no')
})

async function look(subject: string): Promise<void> {
  const before = await looksAt(subject)
  await app.db.run(`update receipts set look_at = now() where subject = $1`, [subject])
  await until('a look', async () => (await looksAt(subject)) > before)
}
