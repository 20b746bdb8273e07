import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import { openLocal } from '../../storage/local.ts'
import { answerCalls, openStream, replyIn, say, snapshotOf, talk } from '../../testing/conversations.ts'
import { houseOf } from '../../testing/house.ts'
import { alice, charlie, type Person } from '../../testing/people.ts'
import { testApp, until } from '../../testing/server.ts'
import { keepHouse } from '../../upkeep/hourly.ts'
import { importSnapshot } from '../archive/import.ts'

const app = await testApp()
const { db, mock } = app

const sse = { 'Content-Type': 'text/event-stream' }
const event = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const usage = { input_tokens: 10, output_tokens: 5 }
const completed = (output: object[] = []) =>
  event('response.completed', { response: { status: 'completed', output, usage } })
const words = (delta: string) => event('response.output_text.delta', { output_index: 1, content_index: 0, delta })

/** Not the same bytes twice: they would be kept once. */
async function drawPng(size = 64): Promise<Buffer> {
  const raw = { width: size, height: size, channels: 3 } as const
  return sharp(randomBytes(size * size * 3), { raw })
    .png()
    .toBuffer()
}

function reply(prompt: string, body: string): void {
  mock.control.fault({ match: { prompt }, reply: { status: 200, headers: sse, body } })
}

async function shown(person: Person, id: string) {
  const { html } = await person.get(`/chat/${id}`)
  const answers = html.querySelectorAll('.message.answer')
  const pictures = answers.flatMap(each => each.querySelectorAll('.prose .drawn-picture img'))
  return {
    text: answers.map(each => each.text).join('\n'),
    links: answers.flatMap(each => each.querySelectorAll('.answer-foot a[download]')),
    files: pictures.map(each => each.getAttribute('src')!.replace(/\/thumb$/, '')),
    names: pictures.map(each => each.getAttribute('alt')),
  }
}

/** What the model was told at this prompt, the bytes of pictures left out, and how many of these there were. */
function told(person: Person, prompt: string) {
  const [call] = answerCalls(mock, { email: person.email, prompt })
  const input = JSON.stringify(call!.fields.input)
  return { words: input, images: input.split('"input_image"').length - 1 }
}

test("a picture of the model's own tool is shown in the answer, kept in the library and told as a picture", async () => {
  const person = await alice(app)
  const result = (await drawPng()).toString('base64')
  const item = { type: 'image_generation_call', id: 'ig_1', status: 'completed', result, revised_prompt: 'A red fox' }
  reply(
    'hosted',
    event('response.output_item.done', { output_index: 0, item }) + words('已生成一张图片') + completed([item]),
  )
  const { id, reply: row } = await talk(db, person, 'hosted')
  assert.equal(row.charged, 'yes')
  const { files, names, text } = await shown(person, id)
  assert.deepEqual([files.length, names], [1, ['A red fox']])
  assert.match(text, /已生成一张图片/)
  assert.equal((await person.get(files[0]!)).status, 200)
  assert.equal((await (await charlie(app)).get(files[0]!)).status, 404)
  assert.match((await person.get('/library')).text, new RegExp(files[0]!))

  await talk(db, person, 'and then', id)
  const { words: said, images } = told(person, 'and then')
  assert.equal(images, 1)
  assert.match(said, /\[P1\][\s\S]*已生成一张图片/)
  assert.ok(said.length < 3_000, `${said.length} characters go out`)
})

test('a picture in words is never seen as letters: not while it comes, not after, not by the model', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const png = (await drawPng(256)).toString('base64')
  const answer = `Here:\n\n![a fox](data:image/png;base64,${png})\n\nAnd *there*.`
  const fault = mock.control.fault({ match: { prompt: 'in words' }, hold: 'mid_picture', answer })
  const stream = await openStream(app.url, person, `/chat/${id}/events`)
  await say(person, 'in words', id)
  await until('the place of the picture', async () => stream.text().includes('![a fox](attachment:1)'))
  const writing = (await person.get(`/chat/${id}`)).html.querySelector('.answer.writing')!
  assert.ok(writing.outerHTML.length < 3_000)
  mock.control.release(fault)
  const row = await replyIn(db, id, 'done')
  await until('the end', async () => stream.events.some(each => each.event === 'e' && each.data.includes('<img ')))
  stream.close()
  assert.ok(stream.events.every(each => each.bytes < 30_000))
  assert.equal(row.text, 'Here:\n\n![a fox](attachment:1)\n\nAnd *there*.')

  const { files, names } = await shown(person, id)
  assert.deepEqual(names, ['a fox'])
  await talk(db, person, 'more of it', id)
  const { words: said, images } = told(person, 'more of it')
  assert.equal(images, 1)
  assert.ok(said.includes('Here:\\n\\n[P1]\\n\\nAnd *there*.') && said.length < 5_000)
  const tools = JSON.stringify(answerCalls(mock, { email: person.email, prompt: 'more of it' })[0]!.fields.tools)
  assert.match(tools, /"enum":\["P1"\]/, 'it can be edited like any other')

  // On another worker's page, in both exports, and read back.
  const web = await app.another({ role: 'web' })
  const elsewhere = await fetch(`${web.running.url}/chat/${id}`, { headers: { cookie: `sid=${person.cookie('sid')}` } })
  assert.ok((await elsewhere.text()).includes(`${files[0]}/thumb`))
  const markdown = (await person.get(`/chat/${id}/export.md`)).text
  assert.match(markdown, new RegExp(`!\\[a fox\\]\\(http://[^)]*${files[0]}\\)`))
  const exported = (await person.get(`/chat/${id}/export.json`)).text
  assert.ok(exported.length < 20_000)
  const { rows } = await db.pool.query<{ user_id: string }>('select user_id from conversations where id = $1', [id])
  const userId = Number(rows[0]!.user_id)
  const file = await snapshotOf(app, id)
  await until('the file', async () => (await readFile(file, 'utf8').catch(() => '')).includes('more of it'))
  await db.pool.query('delete from conversations where id = $1', [id])
  assert.equal(await importSnapshot({ db }, userId, file), true)
  assert.deepEqual((await shown(person, id)).files, files)
  assert.equal((await person.get(`/chat/${id}/export.json`)).text, exported)
})

test('several pictures stand where they were written, also in code, and each is kept', async () => {
  const person = await alice(app)
  const [one, two, three] = (await Promise.all([drawPng(), drawPng(), drawPng()])).map(each => each.toString('base64'))
  const answer = `One ![1](data:image/png;base64,${one}) two ${two} three\n\n\`\`\`\n${three!.replace(/.{76}/g, '$&\n')}\n\`\`\`\n`
  mock.control.fault({ match: { prompt: 'several' }, answer })
  const { id } = await talk(db, person, 'several')
  const { files, text } = await shown(person, id)
  assert.equal(new Set(files).size, 3)
  assert.match(text, /One[\s\S]*two[\s\S]*three/)
  assert.doesNotMatch(text, /[\w+/]{200}/)
  assert.equal((await person.get('/library')).html.querySelectorAll('img[src*="/thumb"]').length, 3)

  // Another answer beside it, and the pictures stay with the one they came with.
  const again = (await person.get(`/chat/${id}`)).html.querySelector('form.again')!.getAttribute('action')!
  const submission = crypto.randomUUID()
  assert.equal((await person.post(again, { submission })).status, 303)
  await replyIn(db, id, 'done')
  await until('the other branch', async () => (await shown(person, id)).files.length === 0)
})

test('letters that are no picture are kept to be downloaded, said so, and not sent again', async () => {
  const person = await alice(app)
  const other = await charlie(app)
  for (const letters of [randomBytes(220_000).toString('base64'), `${'A'.repeat(1_501)}!${'B'.repeat(20)}`]) {
    const prompt = `broken ${letters.length}`
    mock.control.fault({ match: { prompt }, answer: `See ![x](data:image/png;base64,${letters})` })
    const { id, reply: row } = await talk(db, person, prompt)
    assert.ok(row.text.length < 100)
    const { links, text, files } = await shown(person, id)
    assert.deepEqual([links.length, files.length], [1, 0])
    assert.match(text, /could not be stored or shown/)
    const address = links[0]!.getAttribute('href')!
    const file = await person.get(address)
    assert.ok(file.text.startsWith('![x](data:image/png;base64,') && file.text.length > 1_400)
    assert.match(file.headers['content-disposition'] ?? '', /^attachment/)
    assert.equal((await other.get(address)).status, 404)
    await talk(db, person, `after ${prompt}`, id)
    const { words: said, images } = told(person, `after ${prompt}`)
    assert.equal(images, 0)
    assert.ok(said.length < 3_000)
  }
})

test('a preview after which nothing came is kept, and said to be one', async () => {
  const person = await alice(app)
  const partial_image_b64 = (await drawPng()).toString('base64')
  const item = { type: 'image_generation_call', id: 'ig_2', status: 'in_progress' }
  const begun =
    event('response.output_item.added', { output_index: 0, item }) +
    event('response.image_generation_call.partial_image', {
      item_id: 'ig_2',
      output_index: 0,
      partial_image_index: 0,
      partial_image_b64,
    })
  reply('preview, then cut', begun)
  const id = await say(person, 'preview, then cut')
  await replyIn(db, id, 'unknown')
  const cut = await shown(person, id)
  assert.equal(cut.files.length, 1)
  assert.match(cut.text, /preview/)

  reply('begun, nothing came', event('response.output_item.added', { output_index: 0, item }) + completed())
  const { id: empty } = await talk(db, person, 'begun, nothing came')
  const nothing = await shown(person, empty)
  assert.equal(nothing.files.length, 0)
  assert.match(nothing.text, /never came/)
})

test('letters that an older answer still has in its text are not sent again either', async () => {
  const person = await alice(app)
  const { id, reply: row } = await talk(db, person, 'long ago')
  const text = `Look: ![x](data:image/png;base64,${(await drawPng()).toString('base64')}) nice`
  await db.pool.query('update replies set text = $2 where message_id = $1', [row.messageId, text])
  await talk(db, person, 'today', id)
  const { words: said } = told(person, 'today')
  assert.ok(said.includes('Look: [a picture] nice'))
})

test('what goes for good goes with rows and bytes, and the answer says that a picture is gone', async () => {
  const person = await alice(app)
  const png = (await drawPng()).toString('base64')
  mock.control.fault({ match: { prompt: 'to be deleted' }, answer: `![x](data:image/png;base64,${png})` })
  const { id } = await talk(db, person, 'to be deleted')
  mock.control.fault({ match: { prompt: 'letters too' }, answer: `![x](data:image/png;base64,${'A'.repeat(2_001)})` })
  await talk(db, person, 'letters too', id)
  const { files, links } = await shown(person, id)
  const token = files[0]!.slice('/files/'.length)
  const { rows } = await db.pool.query<{ id: string }>('select id from pictures where token = $1', [token])
  assert.equal((await person.post(`/library/${rows[0]!.id}/delete`)).status, 303)
  await db.pool.query(`update pictures set deleted_at = now() - interval '31 days' where token = $1`, [token])
  await db.pool.query(`update files set created_at = now() - interval '31 days' where token = $1`, [token])
  const storage = openLocal(path.join(app.config.dataDirectory, 'assets'))
  await keepHouse(houseOf(app, storage))
  assert.equal(await storage.read(token), null)
  assert.match((await shown(person, id)).text, /has been deleted/)

  await person.post(`/chat/${id}/delete`)
  await db.pool.query(`update conversations set deleted_at = now() - interval '31 days' where id = $1`, [id])
  await db.pool.query(`update chat_texts set created_at = now() - interval '31 days'`)
  await keepHouse(houseOf(app, storage))
  await keepHouse(houseOf(app, storage))
  assert.equal((await person.get(links[0]!.getAttribute('href')!)).status, 404)
})
