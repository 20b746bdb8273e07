import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { z } from 'zod'
import { moveLocalSnapshots } from '../chat/archive/local.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { openStorage } from '../storage/storage.ts'
import { startBucket } from '../testing/bucket.ts'
import { atEnd } from '../testing/database.ts'
import { type OldPlayground, oldPlayground } from '../testing/old-playground.ts'
import { alice, type Person } from '../testing/people.ts'
import { environmentOf, runScript, startScript } from '../testing/script.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { sshKeygen } from '../testing/ssh.ts'

const API_KEY = 'sk-a-key-that-lies-there-in-clear'
const AWAY = 987_001

let app: TestApp
let person: Person
let me: number
let old: OldPlayground
let environment: Record<string, string>
const ids: Record<string, string> = {}

before(async () => {
  app = await testApp({ publicOrigin: null })
  person = await alice(app)
  me = app.mock.control.user(person.email).id
  old = await oldPlayground()
  environment = { ...environmentOf(app.config, app.db.url), PLAYGROUND_PUBLIC_ORIGIN: 'https://play.example.com' }
  await fill()
})

let shade = 0
/** Each is another. */
async function picture(): Promise<Buffer> {
  shade++
  const background = { r: shade % 256, g: (shade >> 8) % 256, b: 200 }
  return sharp({ create: { width: 64, height: 48, channels: 3, background } })
    .png()
    .toBuffer()
}

async function item(fields: Record<string, unknown>, asset?: Record<string, unknown>): Promise<string> {
  const token = await old.asset(me, await picture(), asset)
  return old.insert('playground_library_items', {
    user_id: me,
    asset_token: token,
    prompt: 'a hill',
    size: '1024x1024',
    ...fields,
  })
}

async function fill(): Promise<void> {
  ids.plain = await item({
    prompt: '雪山',
    folder: 'Hills',
    tags: ['snow', '#sky'],
    favorite: true,
    created_at: new Date('2025-03-04'),
  })
  ids.trashed = await item({ prompt: 'thrown away', deleted_at: new Date('2025-01-01') })
  const whole = await picture()
  const half = await old.asset(me, whole.subarray(0, whole.length - 20))
  ids.half = await old.insert('playground_library_items', { user_id: me, asset_token: half, prompt: 'cut off' })
  await item({}, { mime_type: 'text/html' })
  await item({}, { mime_type: 'image/svg+xml' })
  await item({}, { sha256: 'ab'.repeat(32) })
  await item({}, { file_path: '../../../etc/passwd' })
  await symlink('/etc/hostname', path.join(old.dataDirectory, 'assets', 'link.png'))
  await item({}, { file_path: 'link.png' })
  const text = await old.asset(me, Buffer.from('<script>alert(1)</script>'))
  await old.insert('playground_library_items', { user_id: me, asset_token: text })
  await old.insert('playground_library_items', { user_id: me, remote_url: 'https://elsewhere.example/a.png' })
  const others = await old.asset(AWAY, await picture())
  await old.insert('playground_library_items', { user_id: me, asset_token: others })
  await old.insert('playground_library_items', {
    user_id: AWAY,
    asset_token: others,
    prompt: 'of somebody not seen yet',
  })

  const [attached, drawn, made, note] = [
    await old.asset(me, await picture(), { kind: 'attachment' }),
    await old.asset(me, await picture()),
    await old.asset(me, await picture()),
    await old.asset(me, Buffer.from('a note\n'), { kind: 'attachment', mime_type: 'text/plain' }),
  ]
  const page = await old.asset(me, Buffer.from('<p>'), { kind: 'attachment', mime_type: 'text/html' })
  const at = Date.parse('2025-05-05T10:00:00Z')
  ids.talk = await old.conversation(me, 'An old talk', {
    workspaceType: 'create',
    chatMessages: [
      {
        id: 'm1',
        role: 'user',
        content: 'look\u0000 at these',
        createdAt: at,
        attachments: [
          { id: 'a', name: 'hill.png', mimeType: 'image/png', assetToken: attached },
          { id: 'b', name: 'note.txt', mimeType: 'text/plain', assetToken: note },
          { id: 'c', name: 'page.html', mimeType: 'text/html', assetToken: page },
          { id: 'd', name: 'far.png', mimeType: 'image/png', externalUrl: 'https://elsewhere.example/far.png' },
          { id: 'e', name: 'stolen.png', mimeType: 'image/png', assetToken: others },
        ],
        imageAssetToken: null,
        externalImageUrl: null,
      },
      {
        id: 'm2',
        role: 'assistant',
        content: 'here **it** is',
        createdAt: at + 1,
        attachments: [],
        imageAssetToken: drawn,
        externalImageUrl: null,
      },
      { id: 'm3', role: 'system', content: 'nobody said this', createdAt: at + 2, attachments: [] },
    ],
    generatedImages: [
      {
        id: 'g1',
        shareKey: null,
        taskId: null,
        status: null,
        prompt: 'made in a talk',
        size: '1024x1024',
        createdAt: at,
        assetToken: made,
        remoteUrl: null,
      },
      {
        id: 'g2',
        status: 'loading',
        prompt: 'not there yet',
        size: '',
        createdAt: at,
        assetToken: null,
        remoteUrl: null,
      },
      {
        id: 'g3',
        status: null,
        prompt: 'lies elsewhere',
        size: '',
        createdAt: at,
        assetToken: null,
        remoteUrl: 'https://elsewhere.example/g3.png',
      },
    ],
    pptState: { slides: [] },
    spriteState: null,
  })
  ids.cut = await old.conversation(
    me,
    'Cut off',
    Buffer.from('{"workspaceType":"create","chatMessages":[{"id":"m1","role":"us'),
  )
  ids.gone = await old.conversation(me, 'Without a file', null)
  ids.exhibit = await old.insert('playground_gallery_items', {
    asset_token: drawn,
    prompt: 'for all to see',
    size: '1024x1024',
    shared_by_user_id: me,
    shared_by_name: 'alice@example.com',
    likes_count: 2,
  })
  for (const user_id of [me, AWAY])
    await old.insert('playground_gallery_likes', { gallery_item_id: ids.exhibit, user_id })
  const key = await sshKeygen('ed25519')
  const row = { user_id: me, name: 'laptop', api_key: API_KEY, api_key_id: 5, api_key_name: 'Main' }
  await old.insert('playground_ssh_keys', { ...row, public_key: key.publicKey, fingerprint: 'SHA256:x' })
  await old.insert('playground_ssh_keys', { ...row, public_key: 'ssh-rsa AAAA', fingerprint: 'SHA256:y' })
  await old.insert('playground_image_tasks', { user_id: me, api_key: API_KEY, status: 'completed' })
}

const args = () => ['--database-url', old.db.url, '--data-dir', old.dataDirectory, '--json']

async function everythingThere(): Promise<unknown> {
  const tables = await old.db.many(
    z.object({ t: z.string() }),
    `select tablename::text as t from pg_tables where schemaname = 'public' order by 1`,
  )
  const rows = []
  for (const { t } of tables)
    rows.push(await old.db.many(z.object({ row: z.string() }), `select t::text as row from ${t} t order by 1`))
  const names = (await readdir(old.dataDirectory, { recursive: true, withFileTypes: true })).filter(entry =>
    entry.isFile(),
  )
  const files = await Promise.all(names.map(({ parentPath, name }) => readFile(path.join(parentPath, name), 'hex')))
  return { rows, files }
}

test('killed in the middle and run again, everything that can be is brought over once, and the source is only read', async () => {
  const there = await everythingThere()
  const dry = await runScript('import-playground', [...args(), '--dry-run'], environment)
  assert.equal(dry.report.counts.playground_library_items, 12)
  // It waits for a row of somebody else, and is killed while it does.
  await app.db.transaction(async tx => {
    await tx.run('lock table conversations in access exclusive mode')
    const { child, ended } = startScript('import-playground', args(), environment)
    await until('pictures to come and a conversation to wait', () =>
      app.db.maybeOne(
        z.unknown(),
        `select 1 from pg_stat_activity where datname = current_database() and application_name = 'import' and wait_event_type = 'Lock' limit 1`,
      ),
    )
    child.kill('SIGKILL')
    await ended
  })
  const { code, report, complained } = await runScript('import-playground', args(), environment)
  assert.equal(code, 0, complained)
  assert.deepEqual(report.counts.conversations, { taken: 1, there: 0, left: 2 })
  assert.deepEqual([report.counts.exhibits.taken, report.counts.likes.taken, report.counts.keys.taken], [1, 2, 1])
  const why = Object.keys(report.reasons)
  for (const reason of [
    'pictures: its type is not one of a picture',
    'pictures: the bytes are not those that its row names',
    'pictures: the bytes are missing',
    'pictures: refused: not_an_image',
    'pictures: lies elsewhere: its address is told',
    'pictures: is a file of somebody else',
    'pictures: was still being made',
    'conversations: the snapshot is cut off, or none',
    'conversations: the snapshot is missing',
    'conversations: pptState is not taken',
    'attachments: its type is not taken',
    'keys: no usable SSH key: unreadable',
    'tasks are not taken, nor the API keys in them: what they made is',
  ])
    assert.ok(why.includes(reason), `${reason} is not among ${why.join(' | ')}`)

  const again = await runScript('import-playground', args(), environment)
  for (const [kind, { taken }] of Object.entries(again.report.counts as Record<string, { taken: number }>))
    assert.equal(taken, 0, kind)
  assert.deepEqual(await everythingThere(), there)
})

test('its people see what they had, as they had it', async () => {
  const Row = z.object({
    id: z.string(),
    prompt: z.string(),
    favourite: z.boolean(),
    tags: z.array(z.string()),
    folder: z.string().nullable(),
    createdAt: z.date(),
    deletedAt: z.date().nullable(),
  })
  const rows = await app.db.many(
    Row,
    `select p.id, prompt, favourite, tags, f.name as folder, p.created_at, deleted_at from pictures p left join folders f on f.id = p.folder_id where p.user_id = $1`,
    [me],
  )
  const plain = rows.find(({ id }) => id === ids.plain)!
  assert.deepEqual([plain.prompt, plain.favourite, plain.tags, plain.folder], ['雪山', true, ['snow', 'sky'], 'Hills'])
  assert.equal(plain.createdAt.getTime(), Date.parse('2025-03-04'))
  assert.ok(rows.find(({ id }) => id === ids.trashed)?.deletedAt)
  assert.deepEqual(
    rows.map(({ prompt }) => prompt).sort(),
    ['cut off', 'for all to see', 'made in a talk', 'thrown away', '雪山'].sort(),
  )
  assert.equal((await person.get(`/library/${ids.plain}`)).status, 200)
  for (const id of [ids.plain, ids.half]) {
    const { token } = await app.db.one(z.object({ token: z.string() }), 'select token from pictures where id = $1', [
      id,
    ])
    assert.equal((await person.get(`/files/${token}/thumb`)).status, 200, 'its thumbnail is made when they look at it')
  }
  const talk = await person.get(`/chat/${ids.talk}`)
  assert.equal(talk.status, 200)
  for (const said of [
    'look at these',
    'https://elsewhere.example/far.png',
    '[page.html]',
    '[stolen.png]',
    '<strong>it</strong>',
    'https://elsewhere.example/g3.png',
  ])
    assert.ok(talk.text.includes(said), said)
  assert.equal(talk.html.querySelectorAll('img[src^="/files/"]').length >= 2, true)
  assert.equal((await person.get(`/chat/${ids.cut}`)).status, 404)
  const shown = await app.db.one(
    z.object({ likes: z.number(), name: z.string() }),
    `select e.likes, x.name from exhibits e join exhibitors x using (user_id) where e.id = $1`,
    [ids.exhibit],
  )
  assert.deepEqual(shown, { likes: 2, name: `#${me}` })
  assert.equal((await app.browser().get('/gallery')).text.includes('for all to see'), true)
})

test('SSH keys are to be proved anew, and no API key in clear came along', async () => {
  const Key = z.object({
    id: z.string(),
    provedAt: z.date().nullable(),
    keySecret: z.instanceof(Buffer),
    proofText: z.string(),
  })
  const key = await app.db.one(Key, `select id, proved_at, key_secret, proof_text from ssh_keys where user_id = $1`, [
    me,
  ])
  assert.equal(key.provedAt, null)
  assert.ok(!key.keySecret.includes(API_KEY))
  assert.match(key.proofText, new RegExp(`site=https://play.example.com\\naccount=${person.email}`))
  assert.equal((await person.get(`/agents/${key.id}`)).status, 200)
  const tables = await app.db.many(
    z.object({ t: z.string() }),
    `select tablename::text as t from pg_tables where schemaname = 'public'`,
  )
  for (const { t } of tables) {
    const found = await app.db.many(z.object({ x: z.number() }), `select 1 as x from ${t} t where t::text like $1`, [
      `%${API_KEY}%`,
    ])
    assert.deepEqual(found, [], t)
  }
})

test('one directory for both is refused, and so is what is no first playground', async () => {
  for (const directory of [
    app.config.dataDirectory,
    path.join(app.config.dataDirectory, 'assets'),
    path.dirname(app.config.dataDirectory),
  ]) {
    const { code, complained } = await runScript(
      'import-playground',
      ['--database-url', old.db.url, '--data-dir', directory],
      environment,
    )
    assert.equal(code, 2)
    assert.match(complained, /must lie apart/)
  }
  const none = await runScript(
    'import-playground',
    ['--database-url', app.db.url, '--data-dir', old.dataDirectory],
    environment,
  )
  assert.match(none.complained, /no table playground_/)
})

test('housekeeping never touches a snapshot of the first product, whatever its name', async () => {
  const folder = path.join(app.config.dataDirectory, 'conversations', String(me))
  await mkdir(folder, { recursive: true })
  const foreign = path.join(folder, `${ids.talk}.json`)
  await writeFile(
    foreign,
    await readFile(path.join(old.dataDirectory, 'conversations', String(me), `${ids.talk}.json`)),
  )
  await writeFile(path.join(folder, `${randomUUID()}.json`), 'cut off')
  const deps = { db: app.db, config: app.config, log: createLog('silent'), metrics: createMetrics() }
  await moveLocalSnapshots(deps as never)
  assert.equal((await readdir(folder)).length, 2)
  await rm(folder, { recursive: true })
})

test('bytes that lie in the bucket of the first product, and nowhere else, are read from there', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-bucket-'))
  atEnd(() => rm(directory, { recursive: true, force: true }))
  const { config, stop } = await startBucket(directory, { isListed: true })
  atEnd(stop)
  const bucket = openStorage({ localDirectory: directory, s3: config, keepLocal: false })
  const owner = await alice(app)
  const userId = app.mock.control.user(owner.email).id
  const there = await oldPlayground()
  const bytes = await picture()
  const [kept, lost] = [await there.asset(userId, bytes), await there.asset(userId, await picture())]
  await rm(path.join(there.dataDirectory, 'assets'), { recursive: true })
  await bucket.put(kept, bytes, { contentType: 'image/png' })
  for (const token of [kept, lost])
    await there.insert('playground_library_items', { user_id: userId, asset_token: token, prompt: 'from a bucket' })
  const settings = {
    ...environment,
    R2_ENDPOINT: config.endpoint,
    R2_BUCKET: config.bucket,
    R2_ACCESS_KEY_ID: config.accessKeyId,
    R2_SECRET_ACCESS_KEY: config.secretAccessKey,
  }
  const args = ['--database-url', there.db.url, '--data-dir', there.dataDirectory, '--json']
  const { code, report, complained } = await runScript('import-playground', args, settings)
  assert.equal(code, 0, complained)
  assert.deepEqual(report.counts.pictures, { taken: 1, there: 0, left: 1 })
  assert.equal(report.reasons['pictures: the bytes are missing'].count, 1)
  const { token } = await app.db.one(z.object({ token: z.string() }), 'select token from files where user_id = $1', [
    userId,
  ])
  assert.deepEqual(await bucket.read(token), bytes, 'and kept in the bucket of this one')
  assert.deepEqual(await bucket.read(kept), bytes, 'the source is only read')
})
