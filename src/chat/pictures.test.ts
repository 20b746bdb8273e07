import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { z } from 'zod'
import { isTitleCall, newestReply, replyIn, say, talk } from '../testing/conversations.ts'
import { jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const { db, mock } = app
const callsOf = (email: string, path = '/v1/responses') =>
  mock.control.calls({ path }).filter(call => call.email === email && !isTitleCall(call))

interface Item {
  type: string
  role?: string
  output?: string
  call_id?: string
  content?: { type: string; text?: string; image_url?: string }[]
}
const inputOf = (call: { fields: Record<string, unknown> }) => call.fields.input as Item[]

const screenshot = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#3366aa' } })
  .png()
  .toBuffer()

/** The newest proposal of the conversation, as its page shows it. */
async function card(person: Person, id: string) {
  return until('a card', async () => {
    const page = await person.get(`/chat/${id}`)
    const form = page.html.querySelector('form.card')
    return form && { action: form.getAttribute('action')!, form }
  })
}

interface ToolCallRow {
  id: string
  state: string
  job_id: string
  call_id: string
  output: string
  prompt: string
  size: string
  problem: string | null
  n: number
  sources: string[]
}

async function callRow(id: string) {
  const { rows } = await db.pool.query<ToolCallRow>(
    `select t.* from tool_calls t join chat_messages m on m.id = t.message_id where t.conversation_id = $1
     order by m.number desc limit 1`,
    [id],
  )
  return rows[0]!
}

/** Asks for a picture, says yes, and waits for the closing words. */
async function paint(person: Person, text: string, conversation: string | null = null) {
  const id = await say(person, text, conversation)
  const { action } = await card(person, id)
  const answer = await person.post(`${action}`, { prompt: `${text}!`, size: '1024x1024', n: '1' })
  assert.equal(answer.status, 303, answer.text.slice(0, 300))
  const call = await until('the picture', async () => {
    const row = await callRow(id)
    return ['done', 'failed'].includes(row.state) && row
  })
  await until('the closing words', async () => {
    const reply = await newestReply(db, id)
    return reply.state === 'done' && /Here it is|no picture/.test(reply.text)
  })
  return { id, call }
}

const Count = z.object({ count: z.number() })

test('a picture is proposed with its price, made only after a yes, filed, and told to the model', async () => {
  const person = await alice(app)
  const id = await say(person, 'draw a lighthouse')
  const { form, action } = await card(person, id)
  assert.equal(form.querySelector('[name="prompt"]')?.text, 'a lighthouse')
  assert.match(form.querySelector('.price')?.text ?? '', /\$0\.134/)
  assert.equal(callsOf(person.email, '/v1/images/generations').length, 0)
  await Promise.all([1, 2].map(() => person.post(action, { prompt: 'a red lighthouse', size: '1536x1024', n: '1' })))
  const call = await until('the picture', async () => {
    const row = await callRow(id)
    return row.state === 'done' && row
  })
  const reply = await until('the closing words', async () => {
    const row = await newestReply(db, id)
    return row.state === 'done' && row.text !== '' && row
  })
  assert.match(reply.text, /^Here it is/)
  const [made, ...more] = callsOf(person.email, '/v1/images/generations')
  assert.deepEqual([made!.prompt, made!.size, more.length], ['a red lighthouse', '1536x1024', 0])
  const closing = inputOf(callsOf(person.email).at(-1)!)
  assert.deepEqual(
    closing.slice(-2).map(item => [item.type, item.call_id === call.call_id]),
    [
      ['function_call', true],
      ['function_call_output', true],
    ],
  )
  assert.match(closing.at(-1)!.output!, /^Done: 1 of 1, 1536x1024/)
  assert.equal(callsOf(person.email).at(-1)!.fields.tools, undefined)
  const page = await person.get(`/chat/${id}`)
  assert.equal(page.html.querySelectorAll('.tool.state-done .job img').length > 0, true)
  assert.equal((await jobEnd(db, call.job_id)).state, 'done')
})

test('a proposed edit has the price that previews make of it, on the card and when its size is changed', async () => {
  const person = await alice(app)
  const { id } = await paint(person, 'draw a lighthouse for previews')
  await person.post('/account/edit-previews', { wanted: 'yes' })
  await say(person, 'make it blue', id)
  const { form } = await card(person, id)
  assert.match(form.querySelector('.by-tokens')?.text ?? '', /may bill the edit by tokens: about \$0\.2/)
  const asked = form.querySelector('fieldset')!.getAttribute('hx-get')!
  const changed = await person.get(`${asked}&size=3840x2160&quality=high&n=2`, { htmx: true })
  assert.match(changed.html.querySelector('.by-tokens')?.text ?? '', /about \$0\.8/)
})

test('"make it blue" edits the picture that was just made', async () => {
  const person = await alice(app)
  const { id } = await paint(person, 'draw a first lighthouse')
  const { call: second } = await paint(person, 'draw a second lighthouse', id)
  const { call } = await paint(person, 'make it blue', id)
  const { rows } = await db.pool.query(`select token from pictures where job_id = $1`, [second.job_id])
  assert.deepEqual(call.sources, [rows[0].token])
  const [edit] = callsOf(person.email, '/v1/images/edits')
  assert.equal(edit!.inputs, 1)
  const asked = callsOf(person.email).find(each => each.prompt.includes('make it blue'))!
  const images = inputOf(asked).flatMap(item => item.content?.filter(part => part.type === 'input_image') ?? [])
  assert.equal(images.length, 2, 'both pictures go along as pictures')
})

test('a no is told to the model, which may say something to it', async () => {
  const person = await alice(app)
  const id = await say(person, 'draw a castle')
  const { action } = await card(person, id)
  await person.post(action.replace('/paint', '/decline'))
  const reply = await until('closing words', async () => {
    const row = await newestReply(db, id)
    return row.state === 'done' && /no picture this time/.test(row.text) && row
  })
  assert.ok(reply)
  assert.match(inputOf(callsOf(person.email).at(-1)!).at(-1)!.output!, /declined/)
  assert.equal(callsOf(person.email, '/v1/images/generations').length, 0)
})

test('who writes on instead has not paid, and the model is told', async () => {
  const person = await alice(app)
  const id = await say(person, 'draw a bridge')
  await card(person, id)
  await talk(db, person, 'never mind, tell me about bridges', id)
  assert.equal((await callRow(id)).state, 'declined')
  const sent = inputOf(callsOf(person.email).at(-1)!)
  assert.match(sent.find(item => item.type === 'function_call_output')!.output!, /wrote on/)
})

test('a card that is declined while its picture is started costs nothing', async () => {
  const person = await alice(app)
  const id = await say(person, 'draw a windmill')
  const { action } = await card(person, id)
  const waiting = (count: number) =>
    until(`${count} waiting`, async () => {
      const { rows } = await db.pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%tool_calls%'
         and datname = current_database()`,
      )
      return rows.length === count
    })
  const holder = await db.pool.connect()
  try {
    await holder.query('begin')
    await holder.query('select from tool_calls where conversation_id = $1 for update', [id])
    const declined = person.post(action.replace('/paint', '/decline'))
    await waiting(1)
    const painted = person.post(action, { prompt: 'a windmill', size: '1024x1024', n: '1' })
    await waiting(2)
    await holder.query('commit')
    assert.deepEqual([(await declined).status, (await painted).status], [303, 303])
  } finally {
    holder.release()
  }
  const call = await callRow(id)
  assert.deepEqual([call.state, call.job_id], ['declined', null])
  await until('closing words', async () => /no picture this time/.test((await newestReply(db, id)).text))
  assert.equal(callsOf(person.email, '/v1/images/generations').length, 0)
  const { rows } = await db.pool.query('select from image_jobs where prompt = $1', ['a windmill'])
  assert.equal(rows.length, 0)
})

test('a picture that fails is told as failed, in words on the page', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'a doomed tower', path: '/v1/images/generations' }, reply: 'moderation' })
  const { call, id } = await paint(person, 'draw a doomed tower')
  assert.equal(call.state, 'failed')
  assert.match(call.output, /content_policy/)
  const page = await person.get(`/chat/${id}`)
  assert.ok(page.html.querySelector('.tool.state-failed .job.state-failed'))
})

test('who has no key that opens is told nothing more after a picture, and holds up nobody', async () => {
  const people = [await alice(app), await alice(app)]
  const jobs: string[] = []
  for (const { email } of people) {
    mock.control.fault({ match: { path: '/v1/images/generations', email }, hold: 'before_headers' })
  }
  for (const person of people) {
    const id = await say(person, 'draw a lighthouse')
    const { action } = await card(person, id)
    await person.post(action, { prompt: 'a lighthouse', size: '1024x1024', n: '1' })
    jobs.push(id)
  }
  await db.run(
    `update accounts set key_secret = set_byte(key_secret, 1, (get_byte(key_secret, 1) + 1) % 256)
     where user_id = (select id from users where email = $1)`,
    [people[0]!.email],
  )
  mock.control.release()
  for (const id of jobs) await until('the picture', async () => (await callRow(id)).state === 'done')
  await until('the closing words', async () => /Here it is/.test((await newestReply(db, jobs[1]!)).text))
  assert.doesNotMatch((await newestReply(db, jobs[0]!)).text, /Here it is/)
})

test('calls that make no sense are refused in words and cost nothing', async () => {
  const person = await alice(app)
  const cases = [
    ['unknown_tool', { name: 'launch_rocket', arguments: '{}' }],
    ['unreadable', { name: 'generate_image', arguments: '{"prompt":' }],
    ['no_prompt', { name: 'generate_image', arguments: '{"size":"1024x1024"}' }],
    ['no_source', { name: 'edit_image', arguments: '{"prompt":"blue","sources":["P1"]}' }],
  ] as const
  for (const [problem, functionCall] of cases) {
    mock.control.fault({ match: { prompt: problem }, functionCall })
    const id = await say(person, `please do ${problem}`)
    await replyIn(db, id, 'done')
    const row = await callRow(id)
    assert.deepEqual([row.state, row.problem], ['refused', problem])
    const page = await person.get(`/chat/${id}`)
    assert.ok(page.html.querySelector('.tool.state-refused .notice p')!.text.length > 20)
    await talk(db, person, 'and now?', id)
    assert.match(
      inputOf(callsOf(person.email).at(-1)!).find(item => item.type === 'function_call_output')!.output!,
      /^Error/,
    )
  }
  assert.equal(callsOf(person.email, '/v1/images/generations').length, 0)
})

test('an illegal size becomes the nearest legal one, and the card says so', async () => {
  const person = await alice(app)
  const functionCall = { name: 'generate_image', arguments: '{"prompt":"x","size":"1000x1000","n":99}' }
  mock.control.fault({ match: { prompt: 'odd size' }, functionCall })
  const id = await say(person, 'odd size')
  const { form, action } = await card(person, id)
  const row = await callRow(id)
  assert.deepEqual([row.problem, row.n], ['size_changed', 4])
  assert.match(row.size, /^\d+x\d+$/)
  assert.notEqual(row.size, '1000x1000')
  assert.ok(form.querySelector('.muted'))
  const refused = await person.post(action, { prompt: 'x', size: '999x10', n: '1' })
  assert.equal(refused.status, 422)
  assert.ok(refused.html.querySelector('form.card .field-error'))
  assert.equal((await callRow(id)).state, 'asked')
})

test('whoever wants it that way is not asked', async () => {
  const person = await alice(app)
  await person.post('/chat/settings', { instructions: '', ask: 'off' })
  const id = await say(person, 'draw a windmill')
  const row = await until('the picture', async () => {
    const call = await callRow(id)
    return call?.state === 'done' && call
  })
  assert.equal(row.prompt, 'a windmill')
})

test('a key whose group makes no pictures is offered no tools', async () => {
  const person = await alice(app)
  await db.pool.query(
    `update accounts set key_allows_images = false where user_id = (select id from users where email = $1)`,
    [person.email],
  )
  const id = await say(person, 'draw a mill')
  await replyIn(db, id, 'done')
  assert.equal(callsOf(person.email)[0]!.fields.tools, undefined)
  assert.equal(await callRow(id), undefined)
})

test('a pasted picture and a text file go along, as a picture and as text', async () => {
  const person = await alice(app)
  const kept = await person.upload(
    '/chat/files',
    [
      ['shot.png', screenshot],
      ['notes.md', Buffer.from('# Notes\nremember the milk')],
      ['virus.exe', Buffer.from([0x4d, 0x5a, 0x00, 0x01, 0xff])],
    ],
    {},
    { htmx: true },
  )
  assert.equal(kept.status, 200)
  const values = kept.html.querySelectorAll('[name="attachment"]').map(input => input.getAttribute('value')!)
  assert.equal(values.length, 2)
  assert.match(kept.html.querySelector('.refused-file')!.text, /virus\.exe/)
  const body = new URLSearchParams({ text: 'what is this?' })
  for (const value of values) {
    body.append('attachment', value)
    body.append('name', 'n')
  }
  const asked = await person.postRaw('/chat', body.toString())
  assert.equal(asked.status, 303)
  const id = asked.location.split('/').at(-1)!
  await replyIn(db, id, 'done')
  const content = inputOf(callsOf(person.email).at(-1)!).at(-1)!.content!
  assert.deepEqual(
    content.map(part => part.type),
    ['input_text', 'input_text', 'input_text', 'input_image'],
  )
  assert.match(content[1]!.text!, /notes\.md:\n\n# Notes\nremember the milk/)
  assert.match(content[3]!.image_url!, /^data:image\/(png|webp);base64,/)
  const page = await person.get(`/chat/${id}`)
  assert.ok(page.html.querySelector('.message.user .attached-picture img'))
  assert.match(page.html.querySelector('.attached-text')!.text, /notes\.md/)
})

test('without JavaScript files come along with the form itself', async () => {
  const person = await alice(app)
  const asked = await person.upload('/chat', [['shot.png', screenshot]], { text: 'look' })
  assert.equal(asked.status, 303)
  await replyIn(db, asked.location.split('/').at(-1)!, 'done')
  assert.equal(callsOf(person.email).at(-1)!.inputs, 1)
})

test('files count whatever becomes of the form around them, in all rooms together', async () => {
  const person = await alice(app)
  const files = Array.from({ length: 16 }, (_, i) => [`${i}.txt`, Buffer.from(`note ${i}`)] as const)
  const tooLong = { text: 'x'.repeat(100_001) }
  const statuses: number[] = []
  for (let i = 0; i < 16; i++) statuses.push((await person.upload('/chat', files, tooLong)).status)
  assert.deepEqual(statuses, [...Array.from({ length: 15 }, () => 422), 429])
  const userId = app.mock.control.user(person.email).id
  const kept = await db.one(Count, 'select count(*) from chat_texts where user_id = $1', [userId])
  assert.equal(kept.count, 240)

  const picture = [['shot.png', screenshot]] as const
  assert.equal((await person.upload('/images', picture, { prompt: '' })).status, 429)
  assert.equal((await person.upload('/images/references', picture, {}, { htmx: true })).status, 429)
  const stored = await db.one(Count, 'select count(*) from files where user_id = $1', [userId])
  assert.equal(stored.count, 0)
  assert.equal((await person.post('/chat', { text: 'words alone' })).status, 303)
})

test("charlie can neither attach alice's picture nor say yes for her", async () => {
  const person = await alice(app)
  const other = await charlie(app)
  const kept = await person.upload('/chat/files', [['shot.png', screenshot]], {}, { htmx: true })
  const value = kept.html.querySelector('[name="attachment"]')!.getAttribute('value')!
  const stolen = await other.post('/chat', { text: 'mine now', attachment: value, name: 'x' })
  assert.equal(stolen.status, 422)
  const id = await say(person, 'draw a gate')
  const { action } = await card(person, id)
  assert.equal((await other.post(action, { prompt: 'x', size: 'auto', n: '1' })).status, 404)
  assert.equal((await callRow(id)).state, 'asked')
})
