import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, suite, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import sharp from 'sharp'
import { z } from 'zod'
import { blobOf, boundKey, expireTokensOf } from '../testing/agents.ts'
import { intercept } from '../testing/intercept.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { tookSoLong } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { type SshPair, sshKeygen } from '../testing/ssh.ts'

const entry = path.join(import.meta.dirname, '../../skills/sub2api-mcp/server.ts')
const API = '/api/playground/ssh'
let app: TestApp

before(async () => {
  app = await testApp()
})

const Result = z.object({
  isError: z.boolean().optional(),
  content: z.array(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('text'), text: z.string() }),
      z.object({ type: z.literal('image'), data: z.base64(), mimeType: z.string() }),
      z.object({ type: z.literal('resource_link'), uri: z.string(), name: z.string(), mimeType: z.string() }),
    ]),
  ),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
})

/** The real server as a client starts it: a process that speaks over stdio, with nothing but this environment. */
async function connect(t: TestContext, environment: Record<string, string>) {
  const home = await mkdtemp(path.join(tmpdir(), 'playground-home-'))
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [entry],
    cwd: home,
    stderr: 'pipe',
    env: { PATH: process.env.PATH ?? '', HOME: home, SUB2API_PLAYGROUND_URL: app.url, ...environment },
  })
  let complaints = ''
  transport.stderr?.on('data', chunk => {
    complaints += chunk
  })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport)
  t.after(async () => {
    await client.close()
    await rm(home, { recursive: true, force: true })
    assert.equal(complaints, '')
  })

  const progress: string[] = []
  async function call(name: string, given: Record<string, unknown> = {}) {
    const onprogress = ({ message }: { message?: string | undefined }) => void progress.push(message ?? '')
    const result = Result.parse(await client.callTool({ name, arguments: given }, undefined, { onprogress }))
    const text = result.content.map(part => (part.type === 'text' ? part.text : '')).join('')
    assert.doesNotMatch(text, /ssh_[\w-]{16}|sk-[0-9a-f]{32}|PRIVATE KEY|A mistake in this server/)
    const shown = result.content.filter(part => part.type !== 'text')
    return { failed: result.isError === true, text, data: result.structuredContent ?? {}, shown }
  }
  return { home, client, call, progress, transport }
}

/** The SDK keeps it to itself. */
function childOf(transport: StdioClientTransport): ChildProcess {
  return (transport as unknown as { _process: ChildProcess })._process
}

async function aliceAtWork(t: TestContext, environment: Record<string, string> = {}) {
  const person = await alice(app)
  const key = await boundKey(app, person)
  return { person, key, ...(await connect(t, { SUB2API_SSH_KEY: key.file, ...environment })) }
}

async function jobsOf(person: Person): Promise<number> {
  const sql = 'select j.id from image_jobs j join users u on u.id = j.user_id where u.email = $1'
  return (await app.db.pool.query(sql, [person.email])).rows.length
}

async function tokensOf(key: SshPair): Promise<number> {
  const sql = 'select t.id from ssh_tokens t join ssh_keys k on k.id = t.ssh_key_id where k.blob = $1'
  return (await app.db.pool.query(sql, [blobOf(key)])).rows.length
}

/** An address that was free a moment ago. */
async function nobodyThere(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return `http://127.0.0.1:${port}`
}

// Most of the time they wait: for pictures, and between two tries.
suite('the MCP server', { concurrency: 4 }, () => {
  test('an agent is told of maintenance and when to come again, and does not wait for its end', async t => {
    const place = await testApp({ role: 'web' })
    const key = await boundKey(place, await alice(place))
    const { call } = await connect(t, { SUB2API_SSH_KEY: key.file, SUB2API_PLAYGROUND_URL: place.url })
    await place.db.run('update maintenance set since = now()')
    const refused = await call('create_image', { prompt: 'a boat' })
    assert.equal(refused.failed, true)
    assert.match(refused.text, /Maintenance: nothing new can be started just now\..*try again in 300 s/)
    assert.equal((await place.db.pool.query('select from image_jobs')).rowCount, 0)
    assert.equal((await call('list_images')).failed, false)
    await place.db.run('update maintenance set since = null')
    assert.equal((await call('create_image', { prompt: 'a boat' })).data.status, 'queued')
  })

  test('a client creates pictures, waits for them, lists them and keeps them', async t => {
    const { home, client, call, progress, person } = await aliceAtWork(t)
    const names = (await client.listTools()).tools.map(tool => tool.name)
    const tasks = ['create_image', 'image_status', 'list_images', 'download_image', 'cancel_image']
    assert.deepEqual(names, [...tasks, 'find_pictures', 'change_pictures', 'undo_change', 'save_picture'])

    const held = app.mock.control.fault({ match: { prompt: 'two boats' }, hold: 'before_headers' })
    const made = await call('create_image', { prompt: 'two boats', n: 2, format: 'webp' })
    assert.equal(made.failed, false, made.text)
    assert.equal(made.data.status, 'queued')
    assert.deepEqual(made.data.warnings, [])
    const id = String(made.data.task_id)

    await app.mock.control.waitForCalls(1, { email: person.email, state: 'held' })
    const early = await call('download_image', { task_id: id })
    assert.deepEqual([early.failed, early.text], [true, 'The task is processing: there is nothing to download yet'])
    const whose = {
      userId: app.mock.control.user(person.email).id,
      keyId: app.mock.control.keysOf(person.email)[0]!.id,
    }
    await tookSoLong(app.db, whose, { size: '1024x1024', quality: 'high', n: 2 }, 40, 20)
    const waiting = await call('image_status', { task_id: id, wait_seconds: 2 })
    assert.equal(waiting.data.status, 'processing')
    assert.deepEqual(waiting.data.usual_seconds, { from: 40, to: 45 })
    assert.ok(progress.includes('processing'))

    app.mock.control.release(held)
    const done = await call('image_status', { task_id: id, wait_seconds: 50 })
    assert.deepEqual([done.data.status, done.data.pictures, done.data.prompt], ['completed', 2, 'two boats'])

    const listed = z
      .object({ tasks: z.array(z.object({ task_id: z.string(), pictures: z.number() })) })
      .parse((await call('list_images', { status: 'completed' })).data)
    assert.deepEqual(
      listed.tasks.map(({ task_id, pictures }) => [task_id, pictures]),
      [[id, 2]],
    )

    const kept = await call('download_image', { task_id: id, folder: 'pictures' })
    const folder = path.join(home, 'pictures')
    assert.deepEqual(kept.data.files, [path.join(folder, `${id}-1.webp`), path.join(folder, `${id}-2.webp`)])
    assert.deepEqual((await readdir(folder)).sort(), [`${id}-1.webp`, `${id}-2.webp`])
    assert.deepEqual(
      kept.shown.map(part => (part.type === 'image' ? part.mimeType : `${part.mimeType} ${fileURLToPath(part.uri)}`)),
      [1, 2].flatMap(number => ['image/webp', `image/webp ${path.join(folder, `${id}-${number}.webp`)}`]),
    )
    const [preview] = kept.shown
    const { width } = await sharp(Buffer.from(preview?.type === 'image' ? preview.data : '', 'base64')).metadata()
    assert.equal(width, 480)
    const { rows } = await app.db.pool.query<{ token: string }>(
      'select token from pictures where job_id = $1 order by position',
      [id],
    )
    for (const [index, { token }] of rows.entries()) {
      const own = await readFile(path.join(folder, `${id}-${index + 1}.webp`))
      assert.ok(own.equals((await person.get(`/files/${token}`)).body))
    }
  })

  test('pictures of the library are found, filed and saved, and nobody else finds them', async t => {
    const { call, person, home } = await aliceAtWork(t)
    const picture = await makePicture(app, person, 'a heron for the client')
    const changed = await call('change_pictures', { did: 'tag', ids: [picture.id], tags: ['夜', 'series 2'] })
    assert.equal(changed.data.count, 1, changed.text)
    const found = await call('find_pictures', { query: 'heron', tags: ['Series 2'] })
    assert.partialDeepStrictEqual(found.data, {
      pictures: [{ id: picture.id, tags: ['夜', 'series 2'], folder: null }],
    })
    assert.equal((await call('find_pictures', { qurey: 'heron' })).failed, true)
    assert.match((await call('change_pictures', { did: 'delete', ids: [picture.id] })).text, /not made by this SSH key/)
    await call('undo_change', { change_id: changed.data.change_id })
    assert.deepEqual((await call('find_pictures', { tags: ['夜'] })).data.pictures, [])

    const saved = await call('save_picture', { id: picture.id, folder: 'pictures' })
    const bytes = await readFile(path.join(home, 'pictures', `${picture.id}.png`))
    assert.equal(saved.data.file, path.join(home, 'pictures', `${picture.id}.png`))
    assert.ok(bytes.equals((await person.get(`/files/${picture.token}`)).body))
    const copy = await call('save_picture', { id: picture.id, format: 'webp', folder: 'pictures' })
    assert.equal((await sharp(String(copy.data.file)).metadata()).format, 'webp')

    const other = await connect(t, { SUB2API_SSH_KEY: (await boundKey(app, await charlie(app))).file })
    assert.deepEqual((await other.call('find_pictures', { kind: 'all' })).data.pictures, [])
    for (const [name, given] of [
      ['save_picture', { id: picture.id }],
      ['change_pictures', { did: 'favourite', ids: [picture.id] }],
    ] as const) {
      assert.equal((await other.call(name, given)).failed, true)
    }
  })

  test('a task is cancelled, and another person cannot', async t => {
    const { call, person } = await aliceAtWork(t)
    const held = app.mock.control.fault({ match: { prompt: 'not any more' }, hold: 'before_headers' })
    const { data } = await call('create_image', { prompt: 'not any more' })
    await app.mock.control.waitForCalls(1, { email: person.email, state: 'held' })
    const other = await connect(t, { SUB2API_SSH_KEY: (await boundKey(app, await charlie(app))).file })
    assert.match((await other.call('cancel_image', { task_id: data.task_id })).text, /not found/i)
    assert.equal((await call('cancel_image', { task_id: data.task_id })).failed, false)
    const ended = await call('image_status', { task_id: data.task_id, wait_seconds: 50 })
    assert.equal(ended.data.status, 'failed')
    app.mock.control.release(held)
    assert.equal((await call('cancel_image', { task_id: data.task_id })).data.status, 'failed')
  })

  test('a picture in the trash shifts no other, and what a failed task left is downloaded as what it is', async t => {
    const { call, person, home } = await aliceAtWork(t)
    const made = await call('create_image', { prompt: 'two of them', n: 2 })
    await call('image_status', { task_id: made.data.task_id, wait_seconds: 50 })
    const { rows } = await app.db.pool.query<{ id: string }>(
      'select id from pictures where job_id = $1 order by position',
      [made.data.task_id],
    )
    await person.post(`/library/${rows[0]!.id}/delete`)
    const left = await call('download_image', { task_id: made.data.task_id })
    assert.deepEqual(left.data.files, [path.join(home, `${String(made.data.task_id)}-2.png`)])

    app.mock.control.fault({ match: { prompt: 'cut off' }, end: 'before_completed' })
    const cut = await call('create_image', { prompt: 'cut off' })
    await call('image_status', { task_id: cut.data.task_id, wait_seconds: 50 })
    const preview = await call('download_image', { task_id: cut.data.task_id })
    assert.deepEqual(preview.data.files, [path.join(home, `${String(cut.data.task_id)}-2-preview.png`)])
    assert.equal(preview.data.status, 'failed')
  })

  test('it ends within a second of its input, also while it waits for a task', async t => {
    const { call, person, transport } = await aliceAtWork(t)
    const held = app.mock.control.fault({ match: { prompt: 'for ever' }, hold: 'before_headers' })
    const { data } = await call('create_image', { prompt: 'for ever' })
    await app.mock.control.waitForCalls(1, { email: person.email, state: 'held' })
    const child = childOf(transport)
    const waiting = call('image_status', { task_id: data.task_id, wait_seconds: 50 }).catch(() => null)
    await until('it to ask', async () => (await call('list_images')).failed === false)
    const ended = once(child, 'exit')
    child.stdin!.end()
    const [code] = (await ended) as [number | null]
    assert.equal(code, 0)
    await waiting
    app.mock.control.release(held)
  })

  test('references make an edit, and what is not a picture stays here', async t => {
    const { home, call, person, key } = await aliceAtWork(t)
    const files = await Promise.all(
      ['red', 'green'].map(async background => {
        const file = path.join(home, `${background}.png`)
        await sharp({ create: { width: 64, height: 48, channels: 3, background } })
          .png()
          .toFile(file)
        return file
      }),
    )
    const refused = await call('create_image', { prompt: 'x', references: [key.file] })
    assert.equal(refused.failed, true)
    assert.match(refused.text, /not a PNG, JPEG or WebP/)
    assert.equal(await jobsOf(person), 0)

    const made = await call('create_image', { prompt: 'mix them', references: files })
    assert.equal(made.failed, false, made.text)
    await call('image_status', { task_id: made.data.task_id, wait_seconds: 50 })
    const [seen] = app.mock.control.calls({ email: person.email })
    assert.deepEqual([seen?.path, seen?.inputs], ['/v1/images/edits', 2])
  })

  test('an argument that create_image does not know is refused and named; a prompt is as long as anywhere', async t => {
    const { client, call, person } = await aliceAtWork(t)
    for (const [name, value] of Object.entries({ reference: 'a.png', Size: '3840x2160', seed: 7 })) {
      const refused = await call('create_image', { prompt: 'not this', [name]: value })
      assert.ok(refused.failed)
      assert.match(refused.text, new RegExp(name))
    }
    const shows = await call('create_image', { prompt: '\u200b\u00ad' })
    assert.equal(shows.failed, true)
    assert.equal(await jobsOf(person), 0)
    const schema = (await client.listTools()).tools.find(tool => tool.name === 'create_image')!.inputSchema
    assert.equal(schema.additionalProperties, false)
    assert.equal((await call('create_image', { prompt: '🌊'.repeat(32_000) })).failed, false)
    const longer = await call('create_image', { prompt: '🌊'.repeat(32_001) })
    assert.match(longer.text, /32,?000/)
    assert.equal(await jobsOf(person), 1)
  })

  test('calls at the same time sign in once, and an expired token is replaced without a word', async t => {
    const { call, key } = await aliceAtWork(t)
    const calls = await Promise.all([1, 2, 3, 4].map(() => call('list_images')))
    assert.deepEqual(
      calls.map(({ failed }) => failed),
      [false, false, false, false],
    )
    assert.equal(await tokensOf(key), 1)

    await expireTokensOf(app, key)
    assert.equal((await call('list_images')).failed, false)
    assert.equal(await tokensOf(key), 2)
  })

  test('every refusal is one sentence that says what to do', async t => {
    const stranger = await sshKeygen('ed25519')
    const unknown = await connect(t, { SUB2API_SSH_KEY: stranger.file })
    assert.match((await unknown.call('list_images')).text, /No SSH key is registered.*SHA256:.*\/agents/)
    const nobody = await connect(t, {})
    assert.match((await nobody.call('list_images')).text, /No SSH key was found: name one in SUB2API_SSH_KEY/)
    const alone = await connect(t, { SUB2API_SSH_KEY: stranger.file, SUB2API_PLAYGROUND_URL: await nobodyThere() })
    assert.match((await alone.call('list_images')).text, /refuses connections/)

    const { call } = await aliceAtWork(t)
    const missing = await call('image_status', { task_id: randomUUID() })
    assert.ok(missing.failed)
    assert.match(missing.text, /not found/i)
    app.mock.control.fault({ match: { prompt: 'too bold' }, reply: 'moderation' })
    const { data } = await call('create_image', { prompt: 'too bold' })
    const failed = await call('image_status', { task_id: data.task_id, wait_seconds: 50 })
    assert.deepEqual([failed.data.status, failed.data.reason], ['failed', 'content_policy'])
    assert.match((await call('download_image', { task_id: data.task_id })).text, /^The task failed: \S+/)
    assert.ok((await call('create_image', { prompt: 'x', n: 11 })).failed)
    assert.ok((await call('image_status', { task_id: '../../me' })).failed)

    const other = await connect(t, { SUB2API_SSH_KEY: (await boundKey(app, await charlie(app))).file })
    for (const tool of ['image_status', 'download_image']) {
      const hidden = await other.call(tool, { task_id: data.task_id })
      assert.deepEqual([hidden.failed, hidden.text], [true, missing.text])
    }
  })

  test('a lost answer is asked for again under the same idempotency key; a redirect is not followed', async t => {
    let lost = 0
    const front = await intercept(t, app.url, async ({ method, path: where }, forward) => {
      const answer = await forward()
      return method === 'POST' && where === `${API}/tasks` && lost++ === 0 ? null : answer
    })
    const { call, person } = await aliceAtWork(t, { SUB2API_PLAYGROUND_URL: front.url })
    assert.equal((await call('create_image', { prompt: 'once only' })).failed, false)
    assert.equal(lost, 2)
    assert.equal(await jobsOf(person), 1)

    const trap = await intercept(t, app.url, () => ({ status: 200, body: '{}' }))
    const away = await intercept(t, app.url, ({ method, path: where }, forward) =>
      method === 'GET' ? { status: 307, headers: { Location: trap.url + where } } : forward(),
    )
    const led = await aliceAtWork(t, { SUB2API_PLAYGROUND_URL: away.url })
    assert.match((await led.call('list_images')).text, /redirects to http.*not followed/)
    assert.equal(trap.asked.length, 0)
  })

  test('nothing but a sign-in of this key is ever signed', async t => {
    const front = await intercept(t, app.url, async (_, forward) => {
      const answer = await forward()
      const content = JSON.parse(String(answer.body))
      return { ...answer, body: JSON.stringify({ ...content, data: { ...content.data, message: 'commit 1234\n' } }) }
    })
    const { call } = await aliceAtWork(t, { SUB2API_PLAYGROUND_URL: front.url })
    assert.match((await call('list_images')).text, /nothing was signed/)
    assert.deepEqual(
      front.asked.map(asked => asked.path),
      [`${API}/challenge`],
    )
  })
})
