import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerCalls, openStream, replyIn, say, talk } from '../../testing/conversations.ts'
import { alice } from '../../testing/people.ts'
import { testApp, until } from '../../testing/server.ts'

const app = await testApp()
const { db, mock } = app

test('what a model thinks aloud never becomes a title', async () => {
  for (const [index, thought] of [
    '<think>\nThe user wants a title about foxes.\n</think>\n\n',
    `<think>${'Hm. '.repeat(200)}</think>`,
    'The user wants a title.\nFoxes, then.\n</think>\n',
  ].entries()) {
    const person = await alice(app)
    mock.control.fault({ match: { prompt: `tell me of foxes ${index}` }, answer: 'Foxes are small canids.' })
    mock.control.fault({ match: { prompt: `tell me of foxes ${index}` }, answer: `${thought}All about foxes` })
    const { id } = await talk(db, person, `tell me of foxes ${index}`)
    const title = await until('a title', async () => {
      const { text } = (await person.get(`/chat/${id}`)).html.querySelector('title')!
      return !text.startsWith('tell me') && text
    })
    assert.match(title, /^All about foxes/)
  }
})

test('what it thinks aloud before an answer is folded while it comes and after, and is not sent again', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const answer = `<think>\n${'I wonder about foxes. '.repeat(20)}\n</think>\n\nFoxes **dig**.\n\n<think>Enough?</think>\nYes.`
  const fault = mock.control.fault({ match: { prompt: 'about foxes' }, hold: 'mid_picture', answer })
  const stream = await openStream(app.url, person, `/chat/${id}/events`)
  await say(person, 'about foxes', id)
  const heard = () => stream.events.map(each => (each.event === 'r' ? each.data : '')).join('')
  await until('thoughts', async () => heard().includes('I wonder'))
  const writing = (await person.get(`/chat/${id}`)).html.querySelector('.answer.writing')!
  assert.match(writing.querySelector('details.reasoning .words')?.text ?? '', /I wonder/)
  assert.equal(writing.querySelector('.prose')!.text.trim(), '')
  mock.control.release(fault)
  const reply = await replyIn(db, id, 'done')
  stream.close()
  assert.equal(reply.text, 'Foxes **dig**.\n\nYes.')
  assert.match(reply.reasoning, /I wonder[\s\S]*Enough\?/)
  assert.doesNotMatch(stream.text(), /think>|wonder/)

  await talk(db, person, 'and then', id)
  const [call] = answerCalls(mock, { email: person.email, prompt: 'and then' })
  assert.doesNotMatch(JSON.stringify(call!.fields), /wonder|think>/)
})

test('thoughts without an end are kept folded, and those without a beginning are folded at the end', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'endless' }, answer: '<think>On and on' })
  const { id, reply: endless } = await talk(db, person, 'endless')
  assert.deepEqual([endless.text, endless.reasoning.endsWith('On and on')], ['', true])
  const page = await person.get(`/chat/${id}`)
  assert.match(page.html.querySelector('.answer details.reasoning')?.text ?? '', /On and on/)

  const stream = await openStream(app.url, person, `/chat/${id}/events`)
  mock.control.fault({ match: { prompt: 'headless' }, answer: 'Let me see.\nA fox.\n</think>\n\nA fox it is.' })
  const { reply: headless } = await talk(db, person, 'headless', id)
  await until('the end', async () => stream.events.some(each => each.event === 'e'))
  stream.close()
  assert.equal(headless.text, 'A fox it is.')
  assert.match(headless.reasoning, /Let me see\.\nA fox\.$/)
  assert.ok(stream.events.some(each => each.event === 'r' && each.data.includes('Let me see.')))
})
