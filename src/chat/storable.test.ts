import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replyIn, say } from '../testing/conversations.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice } from '../testing/people.ts'
import { testApp } from '../testing/server.ts'

const app = await testApp()
const { db, mock } = app

/** An event stream of these events, as the gateway would send it. */
function streamOf(...events: ({ type: string } & Record<string, unknown>)[]) {
  const body = events.map(event => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
  return { status: 200, headers: { 'Content-Type': 'text/event-stream' }, body }
}

const delta = (text: string) => ({ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: text })
const call = (args: string, rest: object = {}) => ({
  type: 'response.output_item.done',
  item: { type: 'function_call', call_id: 'call_1', name: 'generate_image', arguments: args, ...rest },
})
const completed = (usage: object = { input_tokens: 10, output_tokens: 5 }) => ({
  type: 'response.completed',
  response: { status: 'completed', output: [], usage },
})

test('a call with a NUL in its prompt becomes a card without it, and the answer ends', async () => {
  const person = await alice(app)
  const args = String.raw`{"prompt": "a\u0000 fox", "size": "1024x1024", "n": 1}`
  mock.control.fault({
    match: { path: '/v1/responses', prompt: 'draw a fox' },
    reply: streamOf(delta('Sure. '), call(args), completed()),
  })
  const id = await say(person, 'draw a fox')

  await replyIn(db, id, 'done')
  const page = await person.get(`/chat/${id}`)

  assert.equal(page.html.querySelector('form.card [name="prompt"]')?.text, 'a fox')
})

test('whatever a model sends, its answer ends with all the words that can be kept', async () => {
  const person = await alice(app)
  const hostile: [what: string, events: Parameters<typeof streamOf>, text: string][] = [
    ['NUL in words', [delta('a\0b'), completed()], 'ab'],
    ['an emoji in two halves', [delta('so \ud83d'), delta('\ude00'), completed()], 'so 😀'],
    ['half an emoji', [delta('so \ud83d'), completed()], 'so \ufffd'],
    ['counts that no column holds', [delta('many'), completed({ input_tokens: 3e9, output_tokens: 1e300 })], 'many'],
    [
      'a strange call',
      [delta('ok'), call('{"n": 1e999, "prompt": "x"}', { name: 'n\0', call_id: '\0c' }), completed()],
      'ok',
    ],
    [
      'a call nested deeply',
      [delta('deep'), call(`${'['.repeat(9e4)}"\\u0000"${']'.repeat(9e4)}`), completed()],
      'deep',
    ],
  ]
  for (const [what, events, text] of hostile) {
    mock.control.fault({ match: { path: '/v1/responses', prompt: what }, reply: streamOf(...events) })
    const id = await say(person, what)
    await replyIn(db, id, 'done')
    const { rows } = await db.pool.query<{ text: string }>('select text from replies where conversation_id = $1', [id])
    assert.equal(rows[0]!.text, text, what)
  }
})

test('an answer and a picture end although the database refuses a detail of their ends', async () => {
  await db.run(`alter table replies add check (coalesce(cut_by, '') <> 'refuse me')`)
  await db.run(`alter table tool_calls add check (call_id <> 'refuse me')`)
  await db.run(`alter table image_jobs add check (coalesce(failure_detail, '') not like '%refuse me%')`)
  const person = await alice(app)
  const cut = { status: 'incomplete', incomplete_details: { reason: 'refuse me' }, output: [], usage: {} }
  const ends: [prompt: string, events: Parameters<typeof streamOf>, state: string, text: string][] = [
    ['a detail', [delta('words'), { type: 'response.incomplete', response: cut }], 'done', 'words'],
    [
      'a call beside words',
      [delta('words'), call('{"prompt":"x"}', { call_id: 'refuse me' }), completed()],
      'done',
      'words',
    ],
    ['a call alone', [call('{"prompt":"x"}', { call_id: 'refuse me' }), completed()], 'failed', ''],
  ]
  for (const [prompt, events, state, text] of ends) {
    mock.control.fault({ match: { path: '/v1/responses', prompt }, reply: streamOf(...events) })
    const id = await say(person, prompt)
    const { rows } = await db.pool.query<{ text: string; charged: string }>(
      'select text, charged from replies where message_id = $1',
      [(await replyIn(db, id, state)).messageId],
    )
    assert.deepEqual(rows, [{ text, charged: 'yes' }], prompt)
  }

  const body = { error: { type: 'invalid_request_error', message: 'please refuse me' } }
  mock.control.fault({ match: { path: '/v1/images/generations' }, reply: { status: 400, body } })
  const job = await jobEnd(db, await ask(person, 'a refused picture'))
  assert.deepEqual(
    [job.state, job.failureReason, job.charged, job.failureDetail],
    ['failed', 'bad_request', 'no', null],
  )
})
