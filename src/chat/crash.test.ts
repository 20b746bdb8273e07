import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { z } from 'zod'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import {
  answerCalls,
  isTitleCall,
  newestReply,
  openStream,
  replyIn,
  say,
  snapshotOf,
  talk,
} from '../testing/conversations.ts'
import { alice, type Person } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { differences } from '../testing/receipts.ts'
import { testApp, until } from '../testing/server.ts'
import { startSteppedChat } from '../testing/stepped-chat.ts'

// Short leases, so that the dead are missed soon.
const app = await testApp({
  role: 'web',
  worker: { tickSeconds: 0.1, leaseSeconds: 1, sweepSeconds: 0.2, persistSeconds: 5 },
})
const { db, mock } = app
const asked = (prompt: string) => answerCalls(mock, { prompt })

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

/** A worker of its own that can be killed. */
const worker = () => startProcess(app, { PLAYGROUND_ROLE: 'worker' })

/** This process works too from now on, and ends what the dead left behind. */
let survivor: Awaited<ReturnType<typeof app.another>> | null = null
async function takeOver() {
  survivor ??= await app.another({ role: 'worker' })
}

test('a worker killed in the middle of an answer leaves its words, pays once, and says so', async () => {
  const person = await alice(app)
  const { child } = await worker()
  const { id } = await talk(db, person, 'hello')
  mock.control.fault({ match: { prompt: 'die in the middle' }, hold: 'mid_picture' })
  await say(person, 'die in the middle', id)
  const page = await person.get(`/chat/${id}`)
  const stream = await openStream(app.url, person, page.html.querySelector('#follow')!.getAttribute('hx-sse:connect')!)
  await until('some words', async () => (await db.pool.query(`select from reply_deltas`)).rowCount)
  child.kill('SIGKILL')
  // Its lease is long; in this test it ran out.
  await db.pool.query(`update replies set lease_until = now() - interval '1 second' where state = 'running'`)
  await takeOver()
  const reply = await replyIn(db, id, 'unknown')
  assert.equal(reply.failureReason, 'interrupted')
  assert.match(reply.text, /^You asked/)
  assert.equal(reply.keySecret, null)
  await until('the page to hear of it', async () =>
    stream.events.some(({ event, data }) => event === 'e' && data.startsWith('unknown')),
  )
  stream.close()
  mock.control.release()
  assert.equal(asked('die in the middle').length, 1)
  const shown = await person.get(`/chat/${id}`)
  assert.ok(shown.html.querySelector('.answer.state-unknown .go-on'))
})

test('an answer that was claimed but never asked for is asked for by another worker', async () => {
  await survivor?.running.stop()
  survivor = null
  const person = await alice(app)
  const id = await say(person, 'never sent')
  // As a worker leaves it that dies between the claim and the call.
  await db.pool.query(
    `update replies set state = 'running', claim = gen_random_uuid(), lease_until = now() - interval '1 minute'
     where conversation_id = $1`,
    [id],
  )
  await takeOver()
  await replyIn(db, id, 'done')
  assert.equal(asked('never sent').length, 1)
})

test('the web process may go: another one shows the same answer at the same point, and its end', async () => {
  await takeOver()
  const person = await alice(app)
  const first = await startProcess(app, { PLAYGROUND_ROLE: 'web' })
  const { id } = await talk(db, person, 'hello')
  const fault = mock.control.fault({ match: { prompt: 'outlive the page' }, hold: 'mid_picture' })
  await say(person, 'outlive the page', id)
  const stream = await openStream(first.url, person, `/chat/${id}/events`)
  await until('the words', async () => /You asked/.test(stream.events.map(event => event.data).join('')))
  first.child.kill('SIGKILL')
  stream.close()
  const again = await openStream(app.url, person, `/chat/${id}/events`)
  await until('the same words elsewhere', async () => /You asked/.test(again.events.map(event => event.data).join('')))
  mock.control.release(fault)
  const reply = await replyIn(db, id, 'done')
  await until('its end', async () => again.events.some(({ event }) => event === 'e'))
  again.close()
  assert.match(reply.text, /ask me to draw it\.$/)
  assert.equal(asked('outlive the page').length, 1)
})

test('nothing is paid twice when the worker dies between the two calls of a turn with a picture', async () => {
  const person = await alice(app)
  const doomed = await worker()
  await survivor?.running.stop()
  survivor = null
  const id = await say(person, 'draw a harbour')
  const action = await until('a card', async () => {
    const page = await person.get(`/chat/${id}`)
    return page.html.querySelector('form.card')?.getAttribute('action')
  })
  const held = mock.control.fault({
    match: { path: '/v1/images/generations', prompt: 'a harbour' },
    hold: 'before_completed',
  })
  await person.post(action, { prompt: 'a harbour', size: '1024x1024', n: '1' })
  await mock.control.waitForCalls(1, { path: '/v1/images/generations', state: 'held' })
  doomed.child.kill('SIGKILL')
  mock.control.release(held)
  await db.pool.query(`update image_jobs set lease_until = now() - interval '1 second' where state = 'running'`)
  await takeOver()
  // The picture's outcome is unknown, and the model is told so, once.
  await until('the closing words', async () => {
    const reply = await newestReply(db, id)
    return reply.state === 'done' && reply.text !== ''
  })
  const paid = mock.control.calls().filter(call => call.email === person.email)
  assert.equal(paid.filter(call => call.path === '/v1/images/generations').length, 1)
  assert.equal(answerCalls(mock, { email: person.email }).length, 2)
})

test('what follows an answer is done although the worker dies between its end and that', async () => {
  await survivor?.running.stop()
  survivor = null
  const person = await alice(app)
  await person.post('/chat/settings', { instructions: '', ask: 'off' })
  const id = await say(person, 'draw a lighthouse')
  const step = `${id} news heard`
  const doomed = await startSteppedChat(app, [step])
  await doomed.reached(step)
  assert.equal((await newestReply(db, id)).state, 'done')
  await doomed.kill()
  await takeOver()
  // The picture that needs no asking, what is said of it, the title, the file.
  const ended = await until('the end of the picture and of the closing words', async () => {
    const { rows } = await db.pool.query<{ ends: string }>(
      `select string_agg(state || ' ' || coalesce(failure_reason, ''), ', ') as ends from (
         select state, failure_reason from image_jobs where conversation_id = $1 and finished_at is not null
         union all
         select state, failure_reason from replies
         where conversation_id = $1 and purpose = 'close' and finished_at is not null) as ended
       having count(*) = 2 or bool_or(state <> 'done')`,
      [id],
    )
    return rows[0]
  })
  assert.equal(ended.ends, 'done , done ')
  const calls = mock.control.calls().filter(call => call.email === person.email)
  assert.equal(calls.filter(call => call.path === '/v1/images/generations').length, 1)
  const file = await snapshotOf(app, id)
  await until('the file with all of it', async () => {
    const text = await readFile(file, 'utf8').catch(() => '{}')
    return (JSON.parse(text).messages ?? []).length === 4
  })
  await until('the title', async () =>
    mock.control.calls().some(call => call.email === person.email && isTitleCall(call)),
  )
  // Of hers: a worker that was killed before has others, under a long lease.
  const news = `select from news join users on users.id = user_id where email = $1`
  await until('nothing to be left to do', async () => (await db.pool.query(news, [person.email])).rowCount === 0)
})

test('a worker killed as it hears of the end of an answer leaves what is in line to the next one, which sends it once', async () => {
  await survivor?.running.stop()
  survivor = null
  const person = await alice(app)
  const id = await say(person, 'before the line')
  await say(person, 'in line over a death', id)
  const step = `${id} news heard`
  const doomed = await startSteppedChat(app, [step])
  await doomed.reached(step)
  await doomed.kill()
  assert.equal(asked('in line over a death').length, 0)
  await takeOver()
  await until('it to be sent', async () => asked('in line over a death').length > 0)
  await replyIn(db, id, 'done')
  assert.equal(asked('in line over a death').length, 1)
  assert.equal((await person.get(`/chat/${id}`)).html.querySelector('.in-line'), null)
})

test('web process and worker killed together: the open page finds the words kept, and goes on from them', {
  skip: noChromium,
}, async () => {
  await survivor?.running.stop()
  survivor = null
  const person = await alice(app)
  const web = await startProcess(app, { PLAYGROUND_ROLE: 'web' })
  const doomed = await worker()
  const { page } = await openPage(browser, web.url, person)
  const { id } = await talk(db, person, 'hello')
  await page.goto(`/chat/${id}`)
  mock.control.fault({ match: { prompt: 'all lights out' }, hold: 'mid_picture' })
  await page.fill('#say', 'all lights out')
  await page.press('#say', 'Enter')
  await page.waitForFunction(() =>
    /You asked/.test(document.querySelector('.answer.writing .prose')?.textContent ?? ''),
  )
  doomed.child.kill('SIGKILL')
  web.child.kill('SIGKILL')
  mock.control.release()
  await db.pool.query(`update replies set lease_until = now() - interval '1 second' where state = 'running'`)
  await takeOver()
  await startProcess(app, { PLAYGROUND_ROLE: 'web', PORT: new URL(web.url).port })
  await page.waitForSelector('.answer.state-unknown .answer-failure')
  assert.match((await page.textContent('.answer.state-unknown .prose')) ?? '', /^You asked/)
  await page.click('.go-on button')
  await page.waitForSelector('.message:last-child.answer.state-done')
  assert.equal(asked('all lights out').length, 1)
})

test('an answer that cannot be ended keeps no other from its end', async () => {
  const person = await alice(app)
  await takeOver()
  const held = mock.control.fault({ match: { prompt: 'abandoned' }, hold: 'mid_picture', times: 2 })
  const stuck = await say(person, 'abandoned, never to be ended')
  await mock.control.waitForCalls(1, { email: person.email, state: 'held' })
  const behind = await say(person, 'abandoned behind it')
  await mock.control.waitForCalls(2, { email: person.email, state: 'held' })
  await db.pool.query(`
    create function refuse_to_end() returns trigger language plpgsql as $$
      begin raise exception 'not this one'; end $$;
    create trigger refuse_to_end before update of finished_at on replies for each row
      when (old.conversation_id = '${stuck}' and new.finished_at is not null) execute function refuse_to_end()`)
  await db.pool.query(
    `update replies set claim = gen_random_uuid(), lease_until = now() - interval '1 second'
     where conversation_id = any($1)`,
    [[stuck, behind]],
  )
  assert.equal((await replyIn(db, behind, 'unknown')).failureReason, 'interrupted')
  assert.equal((await newestReply(db, stuck)).state, 'running')
  await db.pool.query(`drop trigger refuse_to_end on replies`)
  await replyIn(db, stuck, 'unknown')
  mock.control.release(held)
})

test('a hiccup of the database while an answer begins costs neither the answer nor its request id', async () => {
  const person = await alice(app)
  await takeOver()
  // What a sequence gives out stays given out, whatever becomes of the statement.
  await db.pool.query(`
    create sequence hiccups;
    create function hiccup() returns trigger language plpgsql as $$
      begin if nextval('hiccups') <= 2 then perform pg_terminate_backend(pg_backend_pid()); end if; return new; end $$;
    create trigger hiccup before update of called_at on replies for each row execute function hiccup();
    create trigger hiccup_later before update of request_id on replies for each row
      when (old.request_id is null and new.finished_at is null) execute function hiccup()`)
  const id = await say(person, 'through a hiccup')
  const reply = await replyIn(db, id, 'done')
  const { rows } = await db.pool.query(`select request_id from replies where message_id = $1`, [reply.messageId])
  assert.ok(rows[0].request_id)
  assert.equal(asked('through a hiccup').length, 1)
  const { rows: hiccups } = await db.pool.query(`select last_value from hiccups`)
  assert.ok(Number(hiccups[0].last_value) > 2, 'there were some')
  await db.pool.query(`drop trigger hiccup on replies; drop trigger hiccup_later on replies`)
})

test('a worker killed while it has a conversation named leaves a receipt of that call, which its bill settles', async () => {
  await survivor?.running.stop()
  survivor = null
  const doomed = await worker()
  const moments = ['before_headers', 'mid_picture'] as const
  const people: Person[] = []
  for (const hold of moments) {
    const person = await alice(app)
    people.push(person)
    // What a title is asked for by, and no answer.
    mock.control.fault({ match: { prompt: `named, ${hold}\n\n---` }, hold })
    await say(person, `named, ${hold}`)
  }
  await mock.control.waitForCalls(2, { prompt: '\n\n---', state: 'held' })
  const titles = () =>
    db.many(
      Title,
      `select request_id, charged, evidence->>'outcome' as outcome, amount from receipts
    where kind = 'title' and user_id = any($1) order by request_id nulls first`,
      [people.map(({ email }) => mock.control.user(email).id)],
    )
  await until('the request id of the second', async () => (await titles())[1]?.requestId)
  doomed.child.kill('SIGKILL')
  mock.control.release()
  await takeOver()
  // As if the minute were over after which nobody is waited for any more.
  await db.run(`update receipts set look_at = now() where kind = 'title' and ended_at is null`)
  assert.deepEqual(
    await differences(
      app,
      people.map(({ email }) => email),
    ),
    [],
  )
  const [without, withId] = await titles()
  assert.deepEqual(
    [without?.charged, without?.outcome],
    ['unknown', 'unclear'],
    'the row is shown, and is nobody else’s',
  )
  assert.equal(withId?.charged, 'yes')
  assert.ok(Number(withId?.amount) > 0)
  assert.equal(mock.control.calls({ prompt: 'named, ' }).filter(isTitleCall).length, 2)
})

const Title = z.object({
  requestId: z.string().nullable(),
  charged: z.string(),
  outcome: z.string().nullable(),
  amount: z.string().nullable(),
})
