import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerCalls, replyIn, say, talk } from '../testing/conversations.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const { db, mock } = app
const asked = (prompt: string) => answerCalls(mock, { prompt }).length

/** A conversation in which an answer to `prompt` is being written until the fault is released. */
async function beingWritten(person: Person, prompt: string) {
  const { id } = await talk(db, person, 'hello')
  const fault = mock.control.fault({ match: { prompt }, hold: 'mid_picture' })
  await say(person, prompt, id)
  await mock.control.waitForCalls(1, { email: person.email, state: 'held' })
  return { id, fault }
}

const lineOf = async (person: Person, id: string) => (await person.get(`/chat/${id}`)).html.querySelectorAll('.in-line')
const said = async (person: Person, id: string) =>
  (await person.get(`/chat/${id}`)).html.querySelectorAll('.said').map(({ text }) => text)
const formOf = (row: Awaited<ReturnType<typeof lineOf>>[number], what: string) =>
  row.querySelector(`[formaction$="/${what}"]`)!.getAttribute('formaction')!
const addresses = async (person: Person, id: string, what: string) =>
  (await lineOf(person, id)).map(row => formOf(row, what))

test('what is said while an answer is being written goes after it, in order, each once', async () => {
  const person = await alice(app)
  const { id, fault } = await beingWritten(person, 'the slow one')
  const form = { text: 'second in line', conversation: id, submission: crypto.randomUUID() }
  await say(person, 'first in line', id)
  const twice = await Promise.all([1, 2].map(() => person.post(`/chat/${id}/messages`, form, { htmx: true })))
  assert.deepEqual(
    twice.map(({ status }) => status),
    [200, 200],
  )
  const rows = await lineOf(person, id)
  assert.deepEqual(
    rows.map(row => row.querySelector('.waiting-words')!.text),
    ['first in line', 'second in line'],
  )
  assert.match(rows[0]!.text, /when this answer has ended/)
  assert.equal(asked('first in line'), 0)
  // A draft of the same form that comes late does not bring it back.
  await person.post('/chat/draft', form, { htmx: true })
  assert.equal((await person.get(`/chat/${id}`)).html.querySelector('#say')!.text, '')
  mock.control.release(fault)
  await until('the line to be empty', async () => (await lineOf(person, id)).length === 0)
  await replyIn(db, id, 'done')
  assert.deepEqual(await said(person, id), ['hello', 'the slow one', 'first in line', 'second in line'])
  assert.deepEqual([asked('first in line'), asked('second in line')], [1, 1])
  // The same form once more is what was taken.
  await person.post(`/chat/${id}/messages`, form, { htmx: true })
  assert.equal((await said(person, id)).length, 4)
})

test('after an answer that was stopped or failed nothing in line goes by itself, and it says why', async () => {
  const person = await alice(app)
  const { id, fault } = await beingWritten(person, 'to be stopped')
  await say(person, 'after the stop', id)
  await say(person, 'and after that', id)
  const { html } = await person.get(`/chat/${id}`)
  await person.post(html.querySelector('.stop')!.getAttribute('formaction')!)
  await replyIn(db, id, 'stopped')
  mock.control.release(fault)
  await until('the reason', async () => /was stopped/.test((await lineOf(person, id))[0]!.text))
  assert.equal(asked('after the stop'), 0)
  const [now] = await lineOf(person, id)
  const [first, second] = await Promise.all([1, 2].map(() => person.post(formOf(now!, 'send'))))
  assert.deepEqual(new Set([first!.status, second!.status]), new Set([303, 409]), 'pressed twice, or in two tabs')
  await until('those behind it to follow', async () => (await said(person, id)).includes('and after that'))
  await replyIn(db, id, 'done')
  assert.equal(asked('after the stop'), 1)

  const failing = mock.control.fault({
    match: { prompt: 'a failing one' },
    hold: 'before_headers',
    reply: 'late_balance',
  })
  await say(person, 'a failing one', id)
  await say(person, 'after the failure', id)
  mock.control.release(failing)
  await until('the reason', async () => /failed/.test((await lineOf(person, id))[0]!.text))
  assert.equal(asked('after the failure'), 0)
})

test('with an empty balance, or without a key, what is in line stays there', async () => {
  const person = await alice(app)
  const { id, fault } = await beingWritten(person, 'the last money')
  await say(person, 'without money', id)
  await db.run(`update accounts set balance = 0 where user_id = $1`, [mock.control.user(person.email).id])
  mock.control.user(person.email, { balance: 0 })
  mock.control.release(fault)
  await until('the reason', async () => /balance is used up/.test((await lineOf(person, id))[0]?.text ?? ''))
  assert.equal(asked('without money'), 0)
})

test('a message in line can be written anew and removed, and removing can be undone', async () => {
  const person = await alice(app)
  const { id, fault } = await beingWritten(person, 'a long one')
  for (const text of ['one', 'two', 'three']) await say(person, text, id)
  const [edit] = await addresses(person, id, 'edit')
  const back = await person.post(edit!, { text: 'typed since', conversation: id })
  assert.equal(back.html.querySelector('#say')!.text, 'one\n\ntyped since')
  assert.equal((await person.get(`/chat/${id}`)).html.querySelector('#say')!.text, 'one\n\ntyped since')
  assert.equal((await person.post(edit!, { text: 'late', conversation: id })).status, 409)
  const [remove, last] = await addresses(person, id, 'remove')
  const { location } = await person.post(remove!, { text: 'kept', conversation: id })
  const page = await person.get(location)
  assert.equal(page.html.querySelector('#say')!.text, 'kept')
  const stranger = await charlie(app)
  for (const address of [last!, ...(await addresses(person, id, 'edit'))])
    assert.equal((await stranger.post(address)).status, 404)
  const other = await talk(db, stranger, 'mine')
  assert.equal((await stranger.post(last!.replace(id, other.id))).status, 409)
  const undo = page.html.querySelector('#removed form')!.getAttribute('action')!
  assert.equal((await stranger.post(undo)).status, 404)
  await person.post(undo)
  assert.deepEqual(
    (await lineOf(person, id)).map(row => row.querySelector('.waiting-words')!.text),
    ['two', 'three'],
  )
  mock.control.release(fault)
  await replyIn(db, id, 'done')
  await until('the undone one to wait for its person', async () =>
    /only when you send it/.test((await lineOf(person, id))[0]!.text),
  )
  assert.equal(asked('two'), 0)
  assert.equal(asked('three'), 0)
})

test('what is in line waits for a picture that was offered, and goes once that is decided', async () => {
  const person = await alice(app)
  const fault = mock.control.fault({ match: { prompt: 'draw a pier' }, hold: 'before_headers' })
  const id = await say(person, 'draw a pier')
  await mock.control.waitForCalls(1, { email: person.email, state: 'held' })
  await say(person, 'then a boat', id)
  mock.control.release(fault)
  const card = await until('the card', async () => (await person.get(`/chat/${id}`)).html.querySelector('form.card'))
  await until('to say so', async () => /yes or no/.test((await lineOf(person, id))[0]!.text))
  assert.equal(asked('then a boat'), 0)
  await person.post(card.querySelector('[formaction]')!.getAttribute('formaction')!)
  await until('the line to be empty', async () => (await lineOf(person, id)).length === 0)
  await replyIn(db, id, 'done')
  assert.equal(asked('then a boat'), 1)
})

test('nothing in line is sent of a conversation in the trash', async () => {
  const person = await alice(app)
  const { id, fault } = await beingWritten(person, 'soon in the trash')
  await say(person, 'nobody reads this', id)
  await person.post(`/chat/${id}/delete`)
  await replyIn(db, id, 'stopped')
  mock.control.release(fault)
  await person.post(`/chat/${id}/restore`)
  await until('the reason', async () => /was stopped/.test((await lineOf(person, id))[0]!.text))
  assert.equal(asked('nobody reads this'), 0)
})
