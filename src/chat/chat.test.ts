import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { parse } from 'node-html-parser'
import { answerCalls, newestReply, openStream, replyIn, say, talk } from '../testing/conversations.ts'
import { alice, charlie } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const { db, mock } = app
const responses = (prompt: string) => answerCalls(mock, { prompt })

test('a question is answered in rendered Markdown, and the key that paid is erased', async () => {
  const person = await alice(app)
  const { id, reply } = await talk(db, person, 'show #code please')
  const page = await person.get(`/chat/${id}`)
  assert.equal(page.status, 200)
  assert.equal(page.html.querySelector('.message.user .said')?.text, 'show #code please')
  assert.ok(page.html.querySelector('.message.answer.state-done figure.code[data-language="ts"]'))
  assert.equal(reply.keySecret, null)
  assert.ok(reply.inputTokens && reply.outputTokens)
  assert.doesNotMatch(page.headers['content-security-policy'] ?? '', /unsafe/)
})

test('the whole conversation is sent each time, with instructions of our own', async () => {
  const person = await alice(app)
  await person.post('/chat/settings', { instructions: 'Call me Ishmael.', ask: 'on' })
  const { id } = await talk(db, person, 'first question')
  await person.post(`/chat/${id}/instructions`, { instructions: 'Only whales.' })
  await talk(db, person, 'second question', id)
  const [call] = responses('second question')
  const { input, instructions, stream, store } = call!.fields as Record<string, unknown>
  const said = (input as { role: string; content: { text: string }[] }[]).map(
    item => `${item.role}: ${item.content[0]!.text.slice(0, 20)}`,
  )
  assert.deepEqual(said, ['user: first question', 'assistant: You asked about **fi', 'user: second question'])
  assert.match(String(instructions), /image playground[\s\S]*Ishmael[\s\S]*Only whales/)
  assert.deepEqual([stream, store], [true, false])
})

test('the model and its effort are remembered, and the summary of its reasoning is folded', async () => {
  const person = await alice(app)
  const id = await say(person, 'think', null, { model: 'gpt-5.4-mini', effort: 'high' })
  const reply = await replyIn(db, id, 'done')
  assert.equal(reply.model, 'gpt-5.4-mini')
  assert.match(reply.reasoning, /Reading the request/)
  const page = await person.get(`/chat/${id}`)
  assert.match(page.html.querySelector('details.reasoning')?.text ?? '', /Reading the request/)
  assert.equal(page.html.querySelector('#model [selected]')?.getAttribute('value'), 'gpt-5.4-mini')
  assert.equal(page.html.querySelector('[name="effort"] [selected]')?.getAttribute('value'), 'high')
  assert.equal(
    page.html.querySelectorAll('#model option').filter(option => /image|review|\*/.test(option.text)).length,
    0,
  )
})

test('the same form sent twice is one question and one paid answer', async () => {
  const person = await alice(app)
  const fields = { text: 'only once', submission: crypto.randomUUID() }
  const [one, two] = await Promise.all([person.post('/chat', fields), person.post('/chat', fields)])
  assert.equal(one.location, two.location)
  await replyIn(db, one.location.split('/').at(-1)!, 'done')
  assert.equal(responses('only once').length, 1)
})

test('a mistake comes back with what was typed, and nothing is asked', async () => {
  const person = await alice(app)
  const empty = await person.post('/chat', { text: '  \n ' })
  assert.equal(empty.status, 422)
  assert.ok(empty.html.querySelector('#chat-error .field-error'))
  const long = await person.post('/chat', { text: `long ${'x'.repeat(100_001)}` })
  assert.equal(long.status, 422)
  assert.match(long.html.querySelector('#say')?.text ?? '', /^long x/)
  assert.equal(responses('long x').length, 0)
})

test('two pages see an answer grow, from wherever they come in, and it is the same in the end', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const fault = mock.control.fault({ match: { prompt: 'please grow' }, hold: 'mid_picture', answer: longAnswer })
  const first = await openStream(app.url, person, `/chat/${id}/events`)
  await say(person, 'please grow', id)
  await until('the first words', async () => first.text().includes('Paragraph number 1'))
  const page = await person.get(`/chat/${id}`)
  const writing = page.html.querySelector('.answer.writing')
  assert.match(writing?.text ?? '', /Paragraph number 1/)
  const second = await openStream(app.url, person, page.html.querySelector('#follow')!.getAttribute('hx-sse:connect')!)
  await until('the stream to show what a page that comes in now shows', async () => {
    const shown = (await person.get(`/chat/${id}`)).html.querySelector('.answer.writing .tail')?.text
    return shown && tailOf(first) === shown
  })
  mock.control.release(fault)
  const reply = await replyIn(db, id, 'done')
  await until('both to hear of the end', async () =>
    [first, second].every(each => each.events.some(({ event }) => event === 'e')),
  )
  first.close()
  second.close()

  // What a page puts together is what the row has.
  assert.equal(squeeze(proseOf(first)), squeeze(reply.html!))
  const added = first.events.findIndex(({ data }) => data.includes('please grow'))
  const bytes = first.events.slice(added + 1).reduce((sum, event) => sum + event.bytes, 0)
  assert.ok(bytes <= 3 * Buffer.byteLength(reply.html!), `${bytes} bytes for ${reply.html!.length} of HTML`)
  const words = second.events.filter(({ event }) => event === 't').map(({ data }) => data)
  assert.doesNotMatch(words.join(''), /Paragraph number 1 /, 'what a page had is not sent again')
})

test('an answer stops within a second from another process, and keeps what came', async () => {
  const person = await alice(app)
  const web = await app.another({ role: 'web' })
  const { id } = await talk(db, person, 'hi')
  const fault = mock.control.fault({ match: { prompt: 'to be stopped' }, hold: 'mid_picture' })
  await say(person, 'to be stopped', id)
  const page = await until('some words', async () => {
    const shown = await person.get(`/chat/${id}`)
    return /You asked/.test(shown.html.querySelector('.answer.writing')?.text ?? '') && shown
  })
  const action = page.html.querySelector('.stop')!.getAttribute('formaction')!
  const sid = person.cookie('sid')!
  const stopped = await fetch(web.running.url + action, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: `sid=${sid}`, 'sec-fetch-site': 'same-origin' },
  })
  assert.equal(stopped.status, 303)
  const reply = await replyIn(db, id, 'stopped')
  assert.match(reply.text, /^You asked/)
  assert.equal(reply.keySecret, null)
  mock.control.release(fault)
  const after = await person.get(`/chat/${id}`)
  assert.ok(after.html.querySelector('.answer.state-stopped .go-on'))
  assert.equal(responses('to be stopped').length, 1)
})

test('deleting a conversation stops what is being written in it, and what waits is never asked for', async () => {
  const person = await alice(app)
  const held = mock.control.fault({ match: { prompt: 'soon deleted' }, hold: 'mid_picture', times: 4 })
  const running: string[] = []
  for (let each = 0; each < 4; each++) running.push(await say(person, `soon deleted ${each}`))
  await mock.control.waitForCalls(4, { email: person.email, state: 'held' })
  const waiting = await say(person, 'deleted while it waits')
  for (const id of [waiting, running[0]!]) assert.equal((await person.post(`/chat/${id}/delete`)).status, 303)
  assert.equal((await replyIn(db, waiting, 'stopped')).charged, 'no')
  assert.equal((await replyIn(db, running[0]!, 'stopped')).charged, 'unknown')
  mock.control.release(held)
  for (const id of running.slice(1)) await replyIn(db, id, 'done')
  assert.equal(responses('deleted while it waits').length, 0)
})

test('an answer that breaks off says so, keeps its words, is not asked for again, and can be continued', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'breaks off' }, end: 'mid_picture' })
  const id = await say(person, 'this breaks off')
  const reply = await replyIn(db, id, 'unknown')
  assert.equal(reply.failureReason, 'upstream')
  assert.match(reply.text, /^You asked/)
  const page = await person.get(`/chat/${id}`)
  assert.ok(page.html.querySelector('.answer.state-unknown .answer-failure'))
  const goOn = page.html.querySelector('.go-on')!
  const parent = goOn.querySelector('[name="parent"]')!.getAttribute('value')!
  await say(person, goOn.querySelector('button')!.getAttribute('value')!, id, { parent })
  await replyIn(db, id, 'done')
  const [, continued] = answerCalls(mock).filter(call => JSON.stringify(call.fields).includes('this breaks off'))
  assert.match(JSON.stringify(continued!.fields), /Continue exactly/)
  assert.equal(responses('this breaks off').length, 1)
})

test('what passes by itself is waited for, what does not is told with its reason', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'busy gateway' }, reply: 'concurrency' })
  const id = await say(person, 'busy gateway')
  const reply = await replyIn(db, id, 'done')
  assert.equal(reply.attempts, 2)
  mock.control.fault({ match: { prompt: 'poor gateway' }, reply: 'late_balance' })
  const poor = await say(person, 'poor gateway')
  assert.deepEqual(
    [(await replyIn(db, poor, 'failed')).failureReason, (await newestReply(db, poor)).charged],
    ['insufficient_balance', 'no'],
  )
})

test('an edited message and another answer make branches, and every branch stays reachable', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'about cats')
  await talk(db, person, 'more of it', id)
  const first = await person.get(`/chat/${id}`)
  const edit = first.html.querySelector('.message.user .edit form')!
  const parent = edit.querySelector('[name="parent"]')!.getAttribute('value')!
  await say(person, 'about dogs', id, { parent })
  await replyIn(db, id, 'done')
  const edited = await person.get(`/chat/${id}`)
  assert.deepEqual(
    edited.html.querySelectorAll('.said').map(said => said.text),
    ['about dogs'],
  )
  const back = edited.html.querySelector('.branches a')!.getAttribute('href')!
  const before = await person.get(back)
  assert.deepEqual(
    before.html.querySelectorAll('.said').map(said => said.text),
    ['about cats', 'more of it'],
  )
  assert.equal(
    before.html.querySelector('#parent')?.getAttribute('value'),
    before.html.querySelector('.message:last-child')?.id.slice(2),
  )

  const again = edited.html.querySelector('form.again')!.getAttribute('action')!
  await person.post(again)
  await replyIn(db, id, 'done')
  const twice = await person.get(`/chat/${id}`)
  assert.match(twice.html.querySelector('.answer .branches')?.text.replace(/\s/g, '') ?? '', /2\/2/)
})

test('another version of what is said cannot go below an answer that is being written', async () => {
  const person = await alice(app)
  const fault = mock.control.fault({ match: { prompt: 'slow one' }, hold: 'mid_picture' })
  const id = await say(person, 'slow one')
  const parent = (await person.get(`/chat/${id}`)).html.querySelector('#parent')!.getAttribute('value')!
  const refused = await person.post(`/chat/${id}/messages`, { text: 'too early', parent })
  assert.equal(refused.status, 422)
  assert.equal(refused.html.querySelector('#say')?.text, 'too early')
  mock.control.release(fault)
  await replyIn(db, id, 'done')
})

test('conversations are named, pinned, found by their words, exported, deleted and brought back', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'quokka habitats')
  await talk(db, person, 'something else')
  await person.post(`/chat/${id}/title`, { title: 'Marsupials & more' })
  await person.post(`/chat/${id}/pin`, { value: 'on' })
  const found = await person.get('/chat/list?q=QUOKKA', { htmx: true })
  assert.deepEqual(
    found.html.querySelectorAll('a[href^="/chat/"]').map(link => link.text.trim()),
    ['Marsupials & more'],
  )
  assert.equal((await person.get('/chat/list?q=100%25', { htmx: true })).html.querySelectorAll('li').length, 0)

  // As a Mac types it and as others do: two characters or one.
  const { id: spoken } = await talk(db, person, 'un cafe\u0301 noir')
  for (const typed of ['caf\u00e9', 'cafe\u0301']) {
    const page = await person.get(`/chat/list?q=${encodeURIComponent(typed)}`, { htmx: true })
    assert.ok(page.html.querySelector(`a[href^="/chat/${spoken}"]`), typed)
  }
  const markdown = await person.get(`/chat/${id}/export.md`)
  assert.match(markdown.text, /^# Marsupials & more\n\n## You\n\nquokka habitats\n\n## gpt-/)
  assert.match(markdown.headers['content-disposition'] ?? '', /Marsupials-more\.md/)
  const json = JSON.parse((await person.get(`/chat/${id}/export.json`)).text)
  assert.equal(json.messages.length, 2)
  const deleted = await person.post(`/chat/${id}/delete`)
  const page = await person.get(deleted.location)
  assert.equal((await person.get(`/chat/${id}`)).status, 404)
  await person.post(page.html.querySelector(`form[action="/chat/${id}/restore"]`)!.getAttribute('action')!)
  assert.equal((await person.get(`/chat/${id}`)).status, 200)
})

test('drafts wait where they were typed', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  await person.post('/chat/draft', { text: 'half a thought', conversation: id })
  await person.post('/chat/draft', { text: 'another' })
  assert.equal((await person.get(`/chat/${id}`)).html.querySelector('#say')?.text, 'half a thought')
  assert.equal((await person.get('/chat')).html.querySelector('#say')?.text, 'another')
  await say(person, 'half a thought, finished', id, { conversation: id })
  await replyIn(db, id, 'done')
  assert.equal((await person.get(`/chat/${id}`)).html.querySelector('#say')?.text, '')
})

test('a page without a stream asks, and hears only of what changed', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const page = await person.get(`/chat/${id}`)
  const tag = page.html.querySelector('#chat-pulse')!.getAttribute('data-v')!
  assert.equal((await person.get(`/chat/${id}/pulse?v=${tag}`, { htmx: true })).status, 204)
  await talk(db, person, 'and more', id)
  const news = await person.get(`/chat/${id}/pulse?v=${tag}`, { htmx: true })
  assert.equal(news.status, 200)
  assert.match(news.text, /and more/)
})

test('a page shows the names of attached texts without reading them; the model is told what they say', async () => {
  const person = await alice(app)
  const kept = await person.upload('/chat/files', [['notes.md', Buffer.from('whales are mammals')]], {}, { htmx: true })
  const attachment = kept.html.querySelector('[name="attachment"]')!.getAttribute('value')!
  const id = await say(person, 'what do they say?', null, { attachment, name: 'notes.md' })
  await replyIn(db, id, 'done')
  assert.match(JSON.stringify(responses('what do they say?')[0]!.fields), /notes\.md:.{1,8}whales are mammals/)
  assert.match((await person.get(`/chat/${id}/export.json`)).text, /whales are mammals/)
  // Whatever reads a text now fails.
  await db.run('alter table chat_texts rename column text to out_of_reach')
  try {
    const page = await person.get(`/chat/${id}`)
    assert.equal(page.html.querySelector('.message.user .attached-text')?.text, 'notes.md')
    assert.equal((await person.get(`/chat/${id}/pulse?v=none`, { htmx: true })).status, 200)
    const stream = await openStream(app.url, person, `/chat/${id}/events`)
    await until('the stream to show it', async () => stream.events.some(({ data }) => data.includes('notes.md')))
    stream.close()
  } finally {
    await db.run('alter table chat_texts rename column out_of_reach to text')
  }
})

test("charlie cannot see, hear or touch alice's conversation, by any address that has an id", async () => {
  const person = await alice(app)
  const other = await charlie(app)
  const { id } = await talk(db, person, 'a secret of mine')
  await talk(db, person, 'draw a secret', id)
  const json = JSON.parse((await person.get(`/chat/${id}/export.json`)).text)
  const ids: string[] = json.messages.map((message: { id: string }) => message.id)
  assert.deepEqual(
    json.messages.map((message: { role: string }) => message.role),
    ['user', 'assistant', 'user', 'assistant', 'tool'],
  )

  const sources = globSync('*routes.ts', { cwd: import.meta.dirname })
  const routes = sources.flatMap(name => [
    ...readFileSync(path.join(import.meta.dirname, name), 'utf8').matchAll(/router\.(get|post)\('(\/chat\/:id[^']*)'/g),
  ])
  assert.ok(routes.length >= 18, `${routes.length} routes`)
  for (const [, method, address] of routes) {
    for (const message of address!.includes(':message') ? ids : ids.slice(0, 1)) {
      const url = address!.replace(':id', id).replace(':message', message)
      const body = { text: 'x', title: 'x', value: 'on', instructions: 'x', prompt: 'x', size: 'auto', n: '1' }
      const answer = method === 'get' ? await other.get(url) : await other.post(url, body)
      assert.equal(answer.status, 404, `${method} ${url}`)
      assert.doesNotMatch(answer.text, /a secret/)
    }
  }
  assert.equal((await other.get(`/chat/${id}?at=${ids[0]}`)).status, 404)
  assert.doesNotMatch((await other.get('/chat?q=secret')).html.querySelector('#list')!.text, /a secret/)
  const after = JSON.parse((await person.get(`/chat/${id}/export.json`)).text)
  assert.deepEqual({ ...after, updatedAt: null, title: null }, { ...json, updatedAt: null, title: null })
  const guest = await app.browser().get(`/chat/${id}`)
  assert.match(guest.location, /^\/login/)
})

const longAnswer = Array.from({ length: 14 }, (_, index) =>
  index % 5 === 4
    ? '```ts\nexport const answer = (question: string) => question.length + 42\n```'
    : `Paragraph number ${index + 1} has **some** words, a [link](https://example.com/${index}) and \`code\`, and goes on for a while so that it is like a real one.`,
).join('\n\n')

function squeeze(html: string): string {
  return html.replace(/\s+/g, ' ').replace(/> </g, '><').trim()
}

/** The newest answer as a page puts it together: it may have begun before the page heard of it. */
function proseOf({ events }: { events: { event: string; data: string }[] }): string {
  let html = ''
  for (const { event, data } of events) {
    const prose = event === '' ? parse(data).querySelector('.answer.writing .prose') : null
    if (prose) {
      prose.querySelector('.tail')?.remove()
      html = prose.innerHTML
    }
    const [head = ''] = data.split('\n', 1)
    if (event === 'b') html += data
    if (event === 'e') html = (head.endsWith(' anew') ? '' : html) + data.slice(head.length + 1)
  }
  return html
}

/** The text after the last complete block, as a page puts it together. */
function tailOf({ events }: { events: { event: string; data: string }[] }): string {
  let tail = ''
  for (const { event, data } of events) {
    if (event === 't') tail += data
    else if (event === 'b') tail = ''
    else if (event === '') tail = parse(data).querySelector('.tail')?.text ?? tail
  }
  return tail
}

test('code that a grammar cannot bear is shown in full, while others are answered', async () => {
  const [person, other] = [await alice(app), await alice(app)]
  const code = '0x'.repeat(1_990)
  const answer = `\`\`\`java\n${code}\n\`\`\`\n\n`.repeat(5)
  mock.control.fault({ match: { prompt: 'java please' }, answer })
  const id = await say(person, 'java please')
  await talk(db, other, 'and me')
  await replyIn(db, id, 'done')
  const page = await person.get(`/chat/${id}`)
  const shown = page.html.querySelectorAll('.answer figure.code').filter(each => each.text.includes(`>${code}`))
  assert.equal(shown.length, 5)
})

test('a message of nothing but line ends holds nobody up', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const stream = await openStream(app.url, person, `/chat/${id}/events`)
  await say(person, `a${'\n'.repeat(90_000)}b`, id)
  await until('it to be shown', async () => stream.events.some(({ data }) => /class="said">a\n{90000}b</.test(data)))
  await replyIn(db, id, 'done')
  stream.close()
})
