import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { answerCalls, isTitleCall, newestReply, openStream, replyIn, say, talk } from '../testing/conversations.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { cleanTitle } from './answer/title.ts'

const app = await testApp()
const { db, mock } = app
const titleCalls = ({ email }: Person) => mock.control.calls({ email }).filter(isTitleCall)
const titleOf = async (person: Person, id: string) =>
  (await person.get(`/chat/${id}`)).html.querySelector('#title')?.text

test('a small model of the same key names a conversation once, after its first answer', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'what makes the sight of a harbour at dawn so very pleasant to look at?')
  await until('the title', async () => titleCalls(person).length === 1)
  const title = await until('the page to show it', async () => {
    const shown = await titleOf(person, id)
    return shown?.startsWith('what makes the sight') && !/pleasant/.test(shown) && shown
  })
  await talk(db, person, 'and then?', id)
  assert.equal(titleCalls(person).length, 1)
  const { model, instructions, tools } = titleCalls(person)[0]!.fields
  assert.match(String(model), /mini|nano/)
  assert.match(String(instructions), /title/)
  assert.equal(tools, undefined)
  assert.equal(await titleOf(person, id), title)
})

test('a title that a person gave stays, and the model is not asked for another', async () => {
  const person = await alice(app)
  const fault = mock.control.fault({ match: { prompt: 'name me first' }, hold: 'mid_picture' })
  const id = await say(person, 'name me first')
  await person.post(`/chat/${id}/title`, { title: 'My own' })
  mock.control.release(fault)
  await replyIn(db, id, 'done')
  await talk(db, person, 'more', id)
  assert.equal(await titleOf(person, id), 'My own')
  assert.deepEqual(titleCalls(person), [])
})

test('decoration and essays are no titles', () => {
  assert.equal(cleanTitle('## **“Harbour at dawn”**.\nmore'), 'Harbour at dawn')
  assert.equal(cleanTitle('《清晨的港口》。'), '清晨的港口')
  assert.equal(cleanTitle('x'.repeat(200)), '')
  assert.equal(cleanTitle('  \n'), '')
})

test('what an answer cost is looked up, and told to the open page with the new balance', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const stream = await openStream(app.url, person, `/chat/${id}/events`)
  const { reply } = await talk(db, person, 'what does this cost?', id)
  const told = await until('the cost on the stream', async () =>
    stream.events.find(({ data }) => new RegExp(`facts-${reply.messageId}">[^<]*\\$`).test(data)),
  )
  assert.match(told.data, /As asked/, 'with the verdict on it')
  await until('the sum on the stream', async () =>
    stream.events.some(({ data }) => /id="used".*\$0\.\d+ so far/.test(data)),
  )
  stream.close()
  const facts = (await person.get(`/chat/${id}`)).html.querySelectorAll('.facts').at(-1)?.text ?? ''
  assert.match(facts, /tokens in, \d+ out · <?\$0\.\d+/)
})

test('the head of a conversation says what all of its calls have used so far, deleted answers included', async () => {
  const person = await alice(app)
  const usedIn = async (id: string) => (await person.get(`/chat/${id}`)).html.querySelector('#used')!.text
  const { id } = await talk(db, person, 'how much was it?')
  const first = await until('all bills, that of the title too', async () => {
    if (titleCalls(person).length === 0) return
    const used = await usedIn(id)
    return /^[\d,]+ tokens in, [\d,]+ out · <?\$0\.\d+ so far$/.test(used) && used
  })
  const { reply } = await talk(db, person, 'and now?', id)
  const both = await until('the bills of both', async () => {
    const used = await usedIn(id)
    return used !== first && !/not billed/.test(used) && used
  })
  await person.post(`/chat/${id}/messages/${reply.messageId}/delete`)
  assert.equal(await usedIn(id), both)
  const { sum } = await db.one(
    z.object({ sum: z.number() }),
    'select sum(input_tokens)::int as sum from replies where conversation_id = $1',
    [id],
  )
  assert.ok(both.startsWith(`${sum.toLocaleString('en')} tokens in`))
  await db.pool.query(
    `update receipts set amount = null, charged = 'unknown' where conversation_id = $1 and subject = $2`,
    [id, reply.messageId],
  )
  assert.match(await usedIn(id), / so far · 1 call not billed yet$/)
})

test('an answer that broke off is proven to have been charged, or not, by its usage row', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'billed all the same' }, cut: 'mid_picture' })
  const id = await say(person, 'billed all the same')
  const reply = await replyIn(db, id, 'unknown')
  assert.equal(reply.charged, 'unknown')
  await until('the proof', async () => (await replyIn(db, id, 'unknown')).charged === 'yes')
  assert.match((await person.get(`/chat/${id}`)).html.querySelector('.facts')?.text ?? '', /\$0\.\d+/)
})

test('a cost that came while the page was being told something else is told all the same', async () => {
  const person = await alice(app)
  const { id, reply } = await talk(db, person, 'something else')
  await until('the cost', async () => /\$/.test((await person.get(`/chat/${id}`)).html.querySelector('.facts')!.text))
  await db.pool.query('update replies set cost = null where message_id = $1', [reply.messageId])
  const page = await person.get(`/chat/${id}`)
  const stream = await openStream(app.url, person, page.html.querySelector('#follow')!.getAttribute('hx-sse:connect')!)
  await db.pool.query('update replies set cost = 0.25 where message_id = $1', [reply.messageId])
  await person.post(`/chat/${id}/title`, { title: 'Something else' })
  await until('the new title', async () => stream.events.some(({ data }) => data.includes('Something else')))
  await db.pool.query(`select pg_notify('chat', $1)`, [`${id} balance`])
  await until('the cost on the stream', async () => stream.events.some(({ data }) => data.includes('$0.25')))
  stream.close()
})

test('an answer that the balance does not cover keeps what was asked, and is tried again by one press', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'beyond my means' }, reply: 'balance' })
  const id = await say(person, 'beyond my means')
  const reply = await replyIn(db, id, 'failed')
  assert.deepEqual([reply.failureReason, reply.charged], ['insufficient_balance', 'no'])
  const page = await person.get(`/chat/${id}`)
  assert.match(page.html.querySelector('.message.user')!.text, /beyond my means/)
  const failure = page.html.querySelector('.answer-failure')!
  assert.ok(failure.querySelector('a[href="/account/top-up"]'))
  assert.ok(failure.querySelector('a[href="/spend/budgets"]'))
  assert.match(page.html.querySelector('#blocked')!.text, /balance is used up/, 'it is known from now on')
  const again = failure.querySelector('form')!
  assert.equal(again.querySelector('button')!.text.trim(), 'Try again')
  await person.post('/account/balance')
  const submission = again.querySelector('[name=submission]')!.getAttribute('value')!
  assert.equal((await person.post(again.getAttribute('action')!, { submission })).status, 303)
  await until('the answer', async () => (await newestReply(db, id)).state === 'done')
})

test('yes in one tab and no in another: the first counts, and there is a picture or none', async () => {
  const person = await alice(app)
  for (const first of ['yes', 'no']) {
    const id = await say(person, `draw a pier, ${first}`)
    const action = await until('a card', async () => {
      const page = await person.get(`/chat/${id}`)
      return page.html.querySelector('form.card')?.getAttribute('action')
    })
    const said = {
      yes: () => person.post(action, { prompt: `a pier, ${first}`, size: '1024x1024', n: '1' }),
      no: () => person.post(action.replace('/paint', '/decline')),
    }
    const second = first === 'yes' ? 'no' : 'yes'
    // Both stand before the same door, in order, until it opens.
    const door = await db.pool.connect()
    await door.query('begin')
    await door.query('select from tool_calls where conversation_id = $1 for update', [id])
    const answers = [said[first as 'yes' | 'no']()]
    await until('the first to wait', async () => (await countWaiting()) === 1)
    answers.push(said[second]())
    await until('the second to wait', async () => (await countWaiting()) === 2)
    await door.query('commit')
    door.release()
    await Promise.all(answers)
    const state = await until('a decision', async () => {
      const { rows } = await db.pool.query<{ state: string }>(
        'select state from tool_calls where conversation_id = $1',
        [id],
      )
      return ['done', 'declined'].includes(rows[0]!.state) && rows[0]!.state
    })
    assert.equal(state, first === 'yes' ? 'done' : 'declined')
    const { rowCount } = await db.pool.query('select from image_jobs where prompt = $1', [`a pier, ${first}`])
    assert.equal(rowCount, first === 'yes' ? 1 : 0)
    await until('the closing words', async () => {
      const { state: closing, text } = await newestReply(db, id)
      return closing === 'done' && text !== ''
    })
  }
  assert.equal(answerCalls(mock, { email: person.email }).length, 4, 'a question and a closing sentence each')
})

test('whoever signs out in the browser that asked is told the cost in another', async () => {
  const here = await alice(app)
  const hold = mock.control.fault({ match: { prompt: 'gone before it ends' }, hold: 'mid_picture' })
  const id = await say(here, 'gone before it ends')
  const there = await signedIn(app, here.email)
  await here.post('/logout')
  mock.control.release(hold)
  await replyIn(db, id, 'done')
  await until('the cost', async () =>
    /\$0\.\d+/.test((await there.get(`/chat/${id}`)).html.querySelector('.facts')?.text ?? ''),
  )
})

async function countWaiting(): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows[0]!.count
}
