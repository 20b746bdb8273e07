import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerCalls, openStream, replyIn, say, talk } from '../testing/conversations.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { purgeConversations } from './conversation-queries.ts'

const app = await testApp()
const { db, mock } = app

const saidOn = async (person: Person, path: string) =>
  (await person.get(path)).html.querySelectorAll('.said').map(said => said.text)

/** The message of the person that says this, as its page shows it. */
async function messageOf(person: Person, id: string, text: string) {
  const { html } = await person.get(`/chat/${id}`)
  const message = html.querySelectorAll('.message.user').find(each => each.querySelector('.said')?.text === text)
  assert.ok(message, `no message says ${text}`)
  return { id: message.id.slice(2), address: `/chat/${id}/messages/${message.id.slice(2)}` }
}

test('a message goes with what followed, from the page, the search, the files and what the model is told; and comes back', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'first things')
  await talk(db, person, 'numbat facts', id)
  await talk(db, person, 'third things', id)
  const { address, id: messageId } = await messageOf(person, id, 'numbat facts')
  const deleted = await person.post(`${address}/delete`)
  assert.equal(deleted.location, `/chat/${id}?removed=${messageId}`)
  const page = await person.get(deleted.location)
  assert.deepEqual(await saidOn(person, `/chat/${id}`), ['first things'])
  assert.deepEqual(await saidOn(person, `/chat/${id}?at=${messageId}`), ['first things'], 'a stale link shows the rest')
  assert.equal((await person.get('/chat/list?q=numbat', { htmx: true })).html.querySelectorAll('li').length, 0)
  assert.equal(JSON.parse((await person.get(`/chat/${id}/export.json`)).text).messages.length, 2)
  assert.doesNotMatch((await person.get(`/chat/${id}/export.md`)).text, /numbat/)

  await talk(db, person, 'another second', id)
  const [told] = answerCalls(mock, { email: person.email, prompt: 'another second' })
  assert.doesNotMatch(JSON.stringify(told!.fields), /numbat|third things/)

  await person.post(page.html.querySelector('#removed form')!.getAttribute('action')!)
  assert.deepEqual(await saidOn(person, `/chat/${id}`), ['first things', 'numbat facts', 'third things'])
  assert.ok((await person.get(`/chat/${id}`)).html.querySelector('.branches'), 'what was said meanwhile is beside it')
})

test('when the shown branch goes, the one beside it is shown; when the last goes, nothing', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'cats')
  await say(person, 'dogs', id, { parent: '' })
  await replyIn(db, id, 'done')
  await person.post(`${(await messageOf(person, id, 'dogs')).address}/delete`)
  assert.deepEqual(await saidOn(person, `/chat/${id}`), ['cats'])
  await person.post(`${(await messageOf(person, id, 'cats')).address}/delete`)
  assert.deepEqual(await saidOn(person, `/chat/${id}`), [])
  await talk(db, person, 'a fresh start', id)
  assert.deepEqual(await saidOn(person, `/chat/${id}`), ['a fresh start'])
})

test('nothing goes from above an answer that is being written', async () => {
  const person = await alice(app)
  const fault = mock.control.fault({ match: { prompt: 'keep writing' }, hold: 'mid_picture' })
  const id = await say(person, 'keep writing')
  const { address } = await messageOf(person, id, 'keep writing')
  assert.equal((await person.post(`${address}/delete`)).status, 409)
  mock.control.release(fault)
  await replyIn(db, id, 'done')
  assert.deepEqual(await saidOn(person, `/chat/${id}`), ['keep writing'])
})

test('an open page elsewhere sees messages go and come back', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'watched')
  await talk(db, person, 'over the shoulder', id)
  const page = await person.get(`/chat/${id}`)
  const stream = await openStream(app.url, person, page.html.querySelector('#follow')!.getAttribute('hx-sse:connect')!)
  const { address, id: messageId } = await messageOf(person, id, 'over the shoulder')
  const notice = await person.post(`${address}/delete`, {}, { htmx: true })
  assert.ok(notice.html.querySelector('#removed form'))
  const heard = () => stream.events.map(event => event.data).join('')
  await until('the message to go', async () => heard().includes(`#m-${messageId}" hx-swap="delete"`))
  await person.post(`${address}/restore`, {}, { htmx: true })
  await until('the message to come back', async () => heard().includes(`id="m-${messageId}"`))
  stream.close()
})

test("charlie can neither delete alice's messages nor bring them back", async () => {
  const person = await alice(app)
  const other = await charlie(app)
  const { id } = await talk(db, person, 'not yours')
  const { address } = await messageOf(person, id, 'not yours')
  assert.equal((await other.post(`${address}/delete`)).status, 404)
  await person.post(`${address}/delete`)
  assert.equal((await other.post(`${address}/restore`)).status, 404)
  const { id: theirs } = await talk(db, other, 'mine')
  assert.equal((await other.post(address.replace(id, theirs).concat('/restore'))).status, 404)
  assert.deepEqual(await saidOn(person, `/chat/${id}`), [])
})

test('a draft belongs to a conversation of the person, and goes for good with it', async () => {
  const person = await alice(app)
  const other = await charlie(app)
  const { id } = await talk(db, person, 'with a draft')
  for (const each of [person, other]) await each.post('/chat/draft', { conversation: id, text: 'half a thought' })
  const drafts = async () => (await db.pool.query('select user_id from chat_drafts where place = $1', [id])).rows.length
  assert.equal(await drafts(), 1)
  await person.post(`/chat/${id}/delete`)
  await db.run(`update conversations set deleted_at = now() - interval '31 days' where id = $1`, [id])
  await purgeConversations(db, 30)
  assert.equal(await drafts(), 0)
})
