import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import { talk } from '../testing/conversations.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { unzip } from '../testing/unzip.ts'
import { tablesOfAPerson } from './everything.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

test('every table with rows of a person is in what they take along, or named as left out with the reason', async () => {
  const { rows } = await app.db.pool.query<{ name: string }>(
    `with recursive personal as (
       select attrelid as id from pg_attribute join pg_class c on c.oid = attrelid
       where attname in ('user_id', 'job_id') and relkind = 'r' and relnamespace = 'public'::regnamespace
       union select 'users'::regclass::oid
       union select conrelid from pg_constraint join personal on confrelid = personal.id where contype = 'f')
     select relname as name from personal join pg_class c on c.oid = personal.id order by 1`,
  )
  const named = tablesOfAPerson()
  const personal = rows.map(({ name }) => name)
  const unnamed = personal.filter(name => !(name in named))
  assert.ok(unnamed.length === 0, `the mine.ts of their room has to name ${unnamed.join(', ')}`)
  assert.deepEqual(Object.keys(named).sort(), personal)
  for (const [table, reason] of Object.entries(named)) assert.ok(reason === null || reason.length > 5, table)
})

test('everything of a person comes out as one file, and nothing that lets anybody in', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron of everything')
  await owner.post(`/library/${picture.id}/details`, { folder: 'At the lake', tags: 'Birds' })
  const { id } = await talk(app.db, owner, 'tell me of herons')
  await app.db.run(
    `insert into chat_drafts (user_id, place, form) select id, 'new', '{"text":"half a thought"}' from users where email = '${owner.email}'
     on conflict (user_id, place) do update set form = excluded.form`,
  )
  const shared = { where: 'gallery', prompt: 'on', settings: 'on', name: 'Alice', picture: picture.id }
  await owner.post('/gallery/share', shared)
  const url = await everything(owner)
  const files = await unzip((await owner.get(url)).body)
  const names = [...files.keys()]
  const text = (name: string) => files.get(name)!.toString()

  const conversation = names.find(name => /^conversations\/.*-herons.*\.json$/.test(name))!
  assert.ok(conversation, names.join(' '))
  const snapshot = JSON.parse(text(conversation))
  assert.equal(snapshot.id, id)
  assert.match(snapshot.messages[0].text, /tell me of herons/)
  assert.match(files.get(conversation.replace(/json$/, 'md'))!.toString(), /tell me of herons/)
  assert.deepEqual(JSON.parse(text('drafts/chat.json'))[0].form, { text: 'half a thought' })
  assert.equal(JSON.parse(text('prompts.json'))[0].prompt, 'a heron of everything')
  const receipts = JSON.parse(text('receipts.json'))
  assert.ok(receipts.some((receipt: { subject: string }) => receipt.subject === picture.jobId))
  assert.ok(receipts.some((receipt: { kind: string }) => receipt.kind === 'answer'))
  assert.equal(JSON.parse(text('account.json')).email, owner.email)
  const file = names.find(name => name.startsWith('pictures/'))!
  const library = JSON.parse(text('library.json'))
  assert.deepEqual(library.folders, [{ name: 'At the lake', count: 1, cover: file }])
  assert.deepEqual(library.tags, ['Birds'])
  const { name, shown } = JSON.parse(text('gallery.json'))
  assert.deepEqual([name.name, shown[0].picture, shown[0].prompt], ['Alice', file, 'a heron of everything'])
  assert.equal(JSON.parse(text('settings/account.json')).keyName, 'Weekend')

  const { rows } = await app.db.pool.query<{ token: string }>(`select token from files`)
  const all = [...files.values()].map(bytes => bytes.toString('latin1')).join('\n')
  for (const { token } of rows) assert.ok(!all.includes(token), 'a token of a file')
  assert.doesNotMatch(all, /sk-[a-z0-9]{8}|key_secret|keySecret|access_?token|refresh_?token/i)
  verify((await owner.get(url)).body)
})

test('an attachment is named by where it lies in the same file', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron to be talked of')
  const { id } = await talk(app.db, owner, 'what is this')
  await app.db.run(
    `insert into chat_attachments (message_id, position, name, token)
     select m.id, 0, 'heron.png', '${picture.token}' from chat_messages m where conversation_id = '${id}' and role = 'user'`,
  )
  const files = await unzip((await owner.get(await everything(owner))).body)
  const [name, bytes] = [...files].find(([each]) => each.startsWith('conversations/') && each.endsWith('.json'))!
  const place = JSON.parse(bytes.toString()).messages[0].attachments[0].token
  assert.ok(files.has(place), place)
  assert.ok(files.get(name.replace('.json', '.md'))!.includes(`(../${place})`))
})

test('who has nothing gets a file all the same; asked for twice it is one; its papers go with it', async () => {
  const owner = await alice(app)
  const page = await owner.get('/account')
  const as_of = page.html.querySelector('form[action="/exports/everything"] [name=as_of]')!.getAttribute('value')!
  await Promise.all([1, 2].map(() => owner.post('/exports/everything', { as_of })))
  const url = await ready(owner)
  assert.equal((await owner.get('/exports')).html.querySelectorAll('.export-list li').length, 1)
  const { rows } = await app.db.pool.query<{ object: string }>(
    `select object from export_files where export_id = $1 and is_paper`,
    [url.split('/')[2]],
  )
  assert.ok(rows.length > 0)
  assert.ok(stored(rows[0]!.object))
  const kept = await app.db.pool.query(
    `select from named_files n, exports e where n.token = $1 and e.id = $2 and n.named_at + interval '1 day' > e.expires_at`,
    [rows[0]!.object, url.split('/')[2]],
  )
  assert.equal(kept.rowCount, 1)
  const stranger = await charlie(app)
  assert.equal((await stranger.get(url)).status, 404)
  await owner.post(url.replace('/file', '/delete'))
  const named = await app.db.pool.query(`select from named_files where token = $1 and named_at = to_timestamp(0)`, [
    rows[0]!.object,
  ])
  assert.equal(named.rowCount, 1)
  assert.equal((await owner.post('/exports/everything', {})).status, 400)
  assert.match((await app.browser().post('/exports/everything', { as_of })).location, /^\/login/)
})

test('of an export of everything its pictures come into another account, and the papers are left out', async () => {
  const owner = await alice(app)
  await makePicture(app, owner, 'a heron that moves house')
  await talk(app.db, owner, 'left behind')
  const { body } = await owner.get(await everything(owner))
  const other = await alice(app)
  const { location } = await other.upload('/imports', [['everything.zip', body]])
  await until('the import to be over', async () => /looked at/.test((await other.get(location)).text))
  const { rows } = await app.db.pool.query<{ outcome: string; reason: string | null }>(
    `select outcome, reason from import_entries where import_id = $1 order by number`,
    [location.slice('/imports/'.length)],
  )
  assert.deepEqual(rows[0], { outcome: 'added', reason: null })
  assert.ok(rows.length > 4)
  for (const row of rows.slice(1)) assert.deepEqual(row, { outcome: 'skipped', reason: 'paper' })
})

async function everything(owner: Person): Promise<string> {
  const answer = await owner.post('/exports/everything', { as_of: new Date().toISOString() })
  assert.equal(answer.location, '/exports', answer.text.slice(0, 300))
  return ready(owner)
}

function ready(owner: Person): Promise<string> {
  return until('an export to be ready', async () =>
    (await owner.get('/exports')).html.querySelector('.export-list li:first-child a')?.getAttribute('href'),
  )
}

function stored(object: string): boolean {
  const names = readdirSync(path.join(app.config.dataDirectory, 'assets'), { recursive: true })
  return names.some(name => String(name).endsWith(object))
}

function verify(body: Buffer): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'export-'))
  try {
    writeFileSync(path.join(folder, 'a.zip'), body)
    const said = spawnSync(process.execPath, ['scripts/verify-export.ts', path.join(folder, 'a.zip')], {
      encoding: 'utf8',
    })
    assert.equal(said.status, 0, said.stdout + said.stderr)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
