import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, test } from 'node:test'
import sharp from 'sharp'
import type { Config } from '../../config.ts'
import { answerCalls, newestReply, openStream, replyIn, say, talk } from '../../testing/conversations.ts'
import { filesIn, replaceByFile, spills } from '../../testing/outage.ts'
import { alice, charlie, type Person } from '../../testing/people.ts'
import { killProcesses } from '../../testing/process.ts'
import { testApp, until } from '../../testing/server.ts'
import { startSteppedChat } from '../../testing/stepped-chat.ts'

// The pages come from this process, the answers from workers whose store goes away. A dead worker is noticed soon.
const worker = { tickSeconds: 0.1, leaseSeconds: 1, sweepSeconds: 0.2, persistSeconds: 1 }
const app = await testApp({ role: 'web', worker })
const { db, mock } = app

afterEach(killProcesses)

let disks = 0
/** A disk of its own for a worker's spill. */
function disk(): Config['spill'] {
  const { dataDirectory, spill } = app.config
  return { ...spill, directory: path.join(dataDirectory, `spill-${++disks}`) }
}

/** The model will answer this prompt with a picture of its own tool; the picture. */
async function willDraw(prompt: string): Promise<Buffer> {
  const raw = { width: 64, height: 64, channels: 3 } as const
  const png = await sharp(randomBytes(64 * 64 * 3), { raw })
    .png()
    .toBuffer()
  const item = { type: 'image_generation_call', id: 'ig_1', status: 'completed', result: png.toString('base64') }
  const event = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
  const body =
    event('response.output_item.done', { output_index: 0, item }) +
    event('response.output_text.delta', { output_index: 1, content_index: 0, delta: 'Here it is.' }) +
    event('response.completed', { response: { status: 'completed', output: [item], usage: { input_tokens: 1 } } })
  mock.control.fault({
    match: { prompt },
    reply: { status: 200, headers: { 'Content-Type': 'text/event-stream' }, body },
  })
  return png
}

async function picturesOf(person: Person, id: string): Promise<Buffer[]> {
  const { html } = await person.get(`/chat/${id}`)
  const links = html.querySelectorAll('.message.answer .drawn-picture').map(link => link.getAttribute('href')!)
  return Promise.all(links.map(async link => (await person.get(link)).body))
}

const footOf = async (person: Person, id: string) =>
  (await person.get(`/chat/${id}`)).html.querySelector('.message.answer .answer-foot')!.text

test('killed at every step of a spill: what was on the disk is shown when the store is back, and nothing asked twice', async () => {
  const cells = [
    ['noted', false], // the bytes were in memory only
    ['half_spilled', false],
    ['spilled', true],
    ['told', true],
  ] as const
  const turns: { step: string; person: Person; id: string; png: Buffer; isSafe: boolean }[] = []
  for (const [step, isSafe] of cells) {
    const person = await alice(app)
    const png = await willDraw(`killed when ${step}`)
    turns.push({ step, person, id: await say(person, `killed when ${step}`), png, isSafe })
  }
  const spill = disk()
  const steps = turns.map(({ id, step }) => `${id} answer ${step}`)
  const doomed = await startSteppedChat(app, steps, { spill }, 'down')
  await doomed.reached(...steps)
  await doomed.kill()

  await startSteppedChat(app, [], { spill: disk() })
  for (const { id } of turns) assert.equal((await replyIn(db, id, 'unknown')).failureReason, 'interrupted')
  await db.pool.query(`update drawn_waiting set heard_at = now() - interval '1 hour'`)
  assert.match(await footOf(turns[3]!.person, turns[3]!.id), /made and safe on a machine that is not answering/)
  const owner = (await readFile(path.join(spill.directory, 'worker-id'), 'utf8')).trim()
  assert.match(await spills(app), new RegExp(`^${owner}  1 pictures of answers since .*, not heard of since`, 'm'))
  // And it comes back after all.
  assert.match(await spills(app, '--release', owner), /released 1 pictures of answers/)
  assert.match(await footOf(turns[3]!.person, turns[3]!.id), /never came, was lost/)

  const back = await startSteppedChat(app, [], { spill }, 'down')
  for (const { person, id, isSafe } of turns) {
    if (isSafe) await until('it to be told', async () => /made and safe\. It is shown/.test(await footOf(person, id)))
  }
  back.order('store up')
  for (const { step, person, id, png, isSafe } of turns) {
    if (isSafe) await until(`the picture ${step}`, async () => (await picturesOf(person, id)).length === 1)
    assert.deepEqual(
      (await picturesOf(person, id)).map(bytes => bytes.equals(png)),
      isSafe ? [true] : [],
    )
    assert.match(await footOf(person, id), isSafe ? /^(?!.*made and safe)/s : /never came, was lost/)
    assert.equal((await person.get('/library')).html.querySelectorAll('img[src*="/thumb"]').length, Number(isSafe))
    assert.equal(answerCalls(mock, { email: person.email }).length, 1)
  }
  await until('an empty disk', async () => (await filesIn(spill.directory)).length === 1)
})

test('killed at every step of filing what was spilled: it is filed once', async () => {
  const person = await alice(app)
  const spill = disk()
  const png = await willDraw('killed while it is filed')
  const id = await say(person, 'killed while it is filed')
  const first = await startSteppedChat(app, [], { spill }, 'down')
  await replyIn(db, id, 'done')
  await first.kill()

  for (const step of ['stored', 'committing', 'filed']) {
    const doomed = await startSteppedChat(app, [`picture ${step}`], { spill })
    await doomed.reached(`picture ${step}`)
    await doomed.kill()
  }
  await startSteppedChat(app, [], { spill })

  await until('an empty disk', async () => (await filesIn(spill.directory)).length === 1)
  assert.deepEqual(
    (await picturesOf(person, id)).map(bytes => bytes.equals(png)),
    [true],
  )
  assert.equal((await person.get('/library')).html.querySelectorAll('img[src*="/thumb"]').length, 1)
  assert.equal(answerCalls(mock, { email: person.email }).length, 1)
})

test('while the store is away an answer ends, says that its picture is safe, and shows it by itself when it is back', async () => {
  const person = await alice(app)
  const other = await charlie(app)
  const spill = disk()
  const { running, browser } = await app.another({ role: 'worker', spill })
  const { id } = await talk(db, person, 'hello')
  const storeBack = await replaceByFile(path.join(app.config.dataDirectory, 'assets'))
  try {
    const png = await willDraw('safe')
    await talk(db, person, 'safe', id)
    const { html } = await person.get(`/chat/${id}`)
    assert.match(html.text, /made and safe\. It is shown as soon as/)
    assert.doesNotMatch(html.text, /never came/)
    assert.match(
      (await person.get(`/chat/${id}`, { headers: { 'Accept-Language': 'zh-CN' } })).text,
      /已生成并妥善保存/,
    )
    assert.equal((await other.get(`/chat/${id}`)).status, 404)
    assert.match((await browser().get('/metrics')).text, /^playground_spill_pictures 1$/m)
    assert.equal(JSON.parse((await browser().get('/ready')).text).spill.pictures, 1)

    // Nothing waits for it: the conversation goes on.
    await talk(db, person, 'and on it goes', id)
    const follow = (await person.get(`/chat/${id}`)).html.querySelector('#follow')!.getAttribute('hx-sse:connect')!
    const stream = await openStream(app.url, person, follow)
    await storeBack()
    await until('the page to be told', async () => stream.events.some(each => each.data.includes('drawn-picture')))
    stream.close()
    assert.deepEqual(
      (await picturesOf(person, id)).map(bytes => bytes.equals(png)),
      [true],
    )
    assert.equal((await newestReply(db, id)).state, 'done')
  } finally {
    await storeBack()
    await running.stop()
  }
})

test('a disk that takes nothing either: the picture is held, and kept as its letters in the end', async () => {
  const person = await alice(app)
  const spill = disk()
  const { running, browser } = await app.another({ role: 'worker', spill })
  await until('the disk', async () => JSON.parse((await browser().get('/ready')).text).spill.state === 'ok')
  await replyIn(db, await say(person, 'hello'), 'done')
  const storeBack = await replaceByFile(path.join(app.config.dataDirectory, 'assets'))
  const spillBack = await replaceByFile(spill.directory)
  try {
    await willDraw('nowhere to go')
    const { id } = await talk(db, person, 'nowhere to go')
    assert.match(await footOf(person, id), /could not be stored or shown as one\. It is kept as letters/)
  } finally {
    await spillBack()
    await storeBack()
    await running.stop()
  }
})
