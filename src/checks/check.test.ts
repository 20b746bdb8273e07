import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import { newToken } from '../library/keep.ts'
import { openStorage } from '../storage/storage.ts'
import { startBucket } from '../testing/bucket.ts'
import { talk } from '../testing/conversations.ts'
import { atEnd } from '../testing/database.ts'
import { alice } from '../testing/people.ts'
import { type MadePicture, makePicture } from '../testing/pictures.ts'
import { environmentOf, runScript } from '../testing/script.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { compareObjects } from './objects.ts'

interface Found {
  name: string
  ok: boolean
  detail: string
  todo: string | null
}

let app: TestApp
let environment: Record<string, string>
let picture: MadePicture
const assets = () => path.join(app.config.dataDirectory, 'assets')

before(async () => {
  app = await testApp()
  environment = environmentOf(app.config, app.db.url)
  const person = await alice(app)
  picture = await makePicture(app, person, 'looked after')
  await talk(app.db, person, 'a conversation with a file')
  await until('its file', async () =>
    (await readdir(assets(), { recursive: true })).find(name => name.endsWith('.conversation')),
  )
})

async function look(...args: string[]): Promise<{ code: number | null; findings: Found[]; failed: string[] }> {
  const { code, report, complained } = await runScript('check', ['--json', '--url', app.url, ...args], environment)
  assert.ok(report, complained)
  const findings = report.findings as Found[]
  return { code, findings, failed: findings.filter(({ ok }) => !ok).map(({ name }) => name) }
}

/** An object that nobody has named, as old as that. */
async function put(name: string, hours: number): Promise<string> {
  const storage = openStorage({ localDirectory: assets(), s3: null, keepLocal: false })
  await storage.put(name, Buffer.from('x'), { contentType: 'image/png' })
  const at = new Date(Date.now() - hours * 3_600_000)
  await utimes(path.join(assets(), name.slice(0, 2), name), at, at)
  return name
}

test('an installation that is well says so of each part', async () => {
  const { code, findings } = await look()
  assert.equal(code, 0, JSON.stringify(findings))
  assert.deepEqual(
    findings.map(({ name }) => name),
    ['health', 'ready', 'gateway', 'database', 'parked', 'backup', 'disk', 'store', 'objects'],
  )
  assert.equal((await runScript('check', ['--apply'], environment)).code, 2)
})

test('an app that does not answer and a backup that is old or missing fail, and say what to do', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'playground-backups-'))
  atEnd(() => rm(folder, { recursive: true }))
  const none = await look('--backups', folder, '--no-objects', '--url', 'http://127.0.0.1:9')
  assert.equal(none.code, 1)
  assert.deepEqual(none.failed, ['health', 'ready', 'backup'])
  assert.ok(none.findings.every(({ ok, todo }) => ok || todo))
  await runScript('backup', [folder], environment)
  assert.deepEqual((await look('--backups', folder, '--no-objects')).failed, [])
})

test('missing pictures and thumbnails are told apart', async () => {
  const thumbnail = path.join(assets(), picture.token.slice(0, 2), `${picture.token}.thumb`)
  const storage = openStorage({ localDirectory: assets(), s3: null, keepLocal: false })
  const kept = [await storage.read(picture.token), await storage.read(`${picture.token}.thumb`)]
  await rm(thumbnail)
  const small = await look()
  assert.deepEqual(small.failed, [])
  assert.match(small.findings.map(({ detail }) => detail).join(), /1 thumbnails are made when somebody looks at them/)
  await storage.delete(picture.token)
  const large = await look()
  assert.match(large.findings.find(({ ok }) => !ok)!.detail, new RegExp(`1 objects .* missing: ${picture.token}`))
  await storage.put(picture.token, kept[0]!, { contentType: 'image/png' })
  await storage.put(`${picture.token}.thumb`, kept[1]!, { contentType: 'image/webp' })
})

test('orphans are old, ours and few, or nothing is moved; a repair is dry at first and moves them aside', async () => {
  const orphan = await put(newToken(), 100)
  const young = await put(newToken(), 1)
  const foreign = await put(randomUUID(), 1000)
  await writeFile(path.join(assets(), 'a file of somebody else'), '')
  const found = await look()
  assert.match(found.findings.find(({ ok }) => !ok)!.detail, /^1 objects/)
  assert.match((await look('--repair')).findings.at(-1)!.todo!, /more than 5 % is not believed/)
  const dry = await look('--repair', '--at-most', '50')
  assert.match(dry.findings.at(-1)!.detail, /would be moved to/)
  assert.equal((await look('--repair', '--apply', '--at-most', '50')).code, 0)
  const left = (await readdir(assets(), { recursive: true })).map(name => path.basename(name))
  assert.deepEqual(
    [orphan, young, foreign].map(name => left.includes(name)),
    [false, true, true],
  )
  const aside = await readdir(path.join(app.config.dataDirectory, 'orphaned'), { recursive: true })
  assert.ok(aside.some(name => path.basename(name) === orphan))
})

test('a bucket is gone through page by page, and what others keep in it is left alone', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-bucket-'))
  atEnd(() => rm(directory, { recursive: true, force: true }))
  const { config, stop } = await startBucket(directory, { isListed: true })
  atEnd(stop)
  const storage = openStorage({ localDirectory: assets(), s3: { ...config, prefix: 'pictures' }, keepLocal: false })
  const other = openStorage({ localDirectory: assets(), s3: config, keepLocal: false })
  const names = Array.from({ length: 1030 }, () => newToken())
  for (let at = 0; at < names.length; at += 50) {
    const some = names.slice(at, at + 50)
    await Promise.all(some.map(name => storage.put(name, Buffer.from('x'), { contentType: 'image/png' })))
  }
  await other.put(newToken(), Buffer.from('x'), { contentType: 'image/png' })
  await storage.put(randomUUID(), Buffer.from('x'), { contentType: 'image/png' })
  const { count, orphaned, missing } = await compareObjects({ db: app.db, storage }, -60_000)
  assert.deepEqual([count, orphaned.length], [1030, 1030])
  assert.ok(missing.includes(picture.token))
  await storage.close()
  await other.close()
})
