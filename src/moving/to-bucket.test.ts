import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import { z } from 'zod'
import { newToken } from '../library/keep.ts'
import { openStorage, type Storage } from '../storage/storage.ts'
import { startBucket, type TestBucket } from '../testing/bucket.ts'
import { talk } from '../testing/conversations.ts'
import { atEnd } from '../testing/database.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type MadePicture, makePicture } from '../testing/pictures.ts'
import { environmentOf, runScript, startScript } from '../testing/script.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
let owner: Person
let picture: MadePicture
let others: MadePicture
let local: Storage
const assets = () => path.join(app.config.dataDirectory, 'assets')

before(async () => {
  app = await testApp()
  owner = await alice(app)
  picture = await makePicture(app, owner, 'to be copied')
  others = await makePicture(app, await charlie(app), "somebody else's")
  await talk(app.db, owner, 'a conversation with a file')
  await until('its file', async () =>
    (await readdir(assets(), { recursive: true })).find(name => name.endsWith('.conversation')),
  )
  local = openStorage({ localDirectory: assets(), s3: null, keepLocal: false })
})

/** A bucket of its own, and the script for it. */
async function bucket() {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-bucket-'))
  atEnd(() => rm(directory, { recursive: true, force: true }))
  const made: TestBucket = await startBucket(directory, { isListed: true })
  atEnd(() => made.stop())
  const environment = {
    ...environmentOf(app.config, app.db.url),
    R2_ENDPOINT: made.config.endpoint,
    R2_BUCKET: made.config.bucket,
    R2_ACCESS_KEY_ID: made.config.accessKeyId,
    R2_SECRET_ACCESS_KEY: made.config.secretAccessKey,
  }
  const storage = openStorage({ localDirectory: assets(), s3: made.config, keepLocal: false })
  const run = async (...args: string[]) => {
    const ended = await runScript('migrate-r2', ['--json', ...args], environment)
    assert.ok(ended.report, ended.complained)
    const { there, copied, left, failed } = ended.report
    return { code: ended.code, there, copied, left, failed: failed as { name: string; why: string }[] }
  }
  return { storage, run, environment, config: made.config }
}

async function told(storage: Storage): Promise<Map<string, string>> {
  const sums = new Map<string, string>()
  for await (const { name } of storage.list()) {
    sums.set(
      name,
      createHash('sha256')
        .update((await storage.read(name))!)
        .digest('hex'),
    )
  }
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)))
}

test('every object arrives as it is, under its type, and nothing is deleted; a second run finds nothing to do', async () => {
  const { storage, run, config } = await bucket()
  const objects = await told(local)
  const dry = await run('--dry-run')
  assert.deepEqual([dry.code, dry.copied, dry.there], [0, objects.size, 0])
  assert.deepEqual(await told(storage), new Map())

  const first = await run()
  assert.deepEqual([first.code, first.copied, first.failed], [0, objects.size, []])
  assert.deepEqual(await told(storage), objects)
  assert.deepEqual(await told(local), objects)
  const second = await run()
  assert.deepEqual([second.code, second.copied, second.there], [0, 0, objects.size])

  const conversation = [...objects.keys()].find(name => name.endsWith('.conversation'))!
  const types = [picture.token, `${picture.token}.thumb`, conversation].map(async name => storage.head(name))
  assert.deepEqual(
    (await Promise.all(types)).map(found => found?.contentType),
    ['image/png', 'image/webp', 'application/json'],
  )
  const { browser } = await app.another({ s3: config })
  const headers = { Cookie: `sid=${owner.cookie('sid')}` }
  const served = await browser().get(`/files/${picture.token}`, { headers })
  assert.deepEqual([served.status, served.body], [200, await local.read(picture.token)])
})

test('of one person, and only so many', async () => {
  const { storage, run } = await bucket()
  const User = z.object({ id: z.number() })
  const { id } = await app.db.one(User, 'select id from users where email = $1', [owner.email])
  const limited = await run('--user-id', String(id), '--limit', '1')
  assert.deepEqual([limited.code, limited.copied, limited.left], [0, 1, 2])
  const all = await run('--user-id', String(id))
  assert.deepEqual([all.copied, all.there], [2, 1])
  const names = [...(await told(storage)).keys()]
  assert.ok(names.includes(picture.token) && names.some(name => name.endsWith('.conversation')))
  assert.ok(!names.some(name => name.startsWith(others.token)))
})

test('what was killed goes on where it was', async () => {
  const { storage, run, environment, config } = await bucket()
  const many = Array.from({ length: 150 }, () => newToken())
  for (const name of many) await local.put(name, Buffer.from(name), { contentType: 'image/png' })
  atEnd(async () => {
    for (const name of many) await local.delete(name)
  })
  const { child } = startScript('migrate-r2', ['--concurrency', '1'], environment)
  const folder = path.join(app.config.dataDirectory, 'in-bucket')
  const notes = async () => {
    const names = await readdir(folder).catch(() => [])
    const own = names.find(name => name.includes(String(new URL(config.endpoint).port)))
    return own ? (await readFile(path.join(folder, own), 'utf8')).split('\n').filter(Boolean).length : 0
  }
  await until('some to be copied', async () => (await notes()) > 3)
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.equal(child.signalCode, 'SIGKILL')
  const before = await notes()
  const rest = await run()
  assert.equal(rest.code, 0)
  assert.ok(rest.there >= before)
  assert.equal(rest.there + rest.copied, (await told(local)).size)
  assert.deepEqual(await told(storage), await told(local))
})

test('what is another in the bucket stays until one insists, and what is damaged here is never copied', async () => {
  const { storage, run } = await bucket()
  await storage.put(picture.token, Buffer.from('of another installation'), { contentType: 'image/png' })
  const file = path.join(assets(), others.token.slice(0, 2), others.token)
  const sound = await readFile(file)
  await writeFile(file, 'fallen over')
  const first = await run()
  assert.equal(first.code, 1)
  assert.deepEqual(
    first.failed.sort((a, b) => a.why.localeCompare(b.why)),
    [
      { name: picture.token, why: 'is another in the bucket: --force writes over it' },
      { name: others.token, why: 'is not what its row says: it is damaged here' },
    ],
  )
  assert.equal((await storage.read(picture.token))?.toString(), 'of another installation')
  assert.equal(await storage.head(others.token), null)

  await writeFile(file, sound)
  assert.equal((await run('--force')).code, 0)
  assert.deepEqual(await told(storage), await told(local))
})

test('a conversation that has been written again is copied again, unless the bucket has a newer one', async () => {
  const { storage, run } = await bucket()
  await run()
  const name = [...(await told(local)).keys()].find(each => each.endsWith('.conversation'))!
  await local.put(name, Buffer.from('{"newer":1}'), { contentType: 'application/json' })
  const again = await run()
  assert.deepEqual([again.code, again.copied], [0, 1])
  await storage.put(name, Buffer.from('{"newest":true}'), { contentType: 'application/json' })
  await local.put(name, Buffer.from('{"newer":2}'), { contentType: 'application/json' })
  assert.equal((await run()).code, 1)
  assert.equal((await storage.read(name))?.toString(), '{"newest":true}')
})

test('without a bucket, and typed wrongly, it says so', async () => {
  const environment = environmentOf(app.config, app.db.url)
  const none = await runScript('migrate-r2', [], environment)
  assert.deepEqual([none.code, /R2_\* name no bucket/.test(none.complained)], [2, true])
  assert.equal((await runScript('migrate-r2', ['--concurrency', '0'], environment)).code, 2)
})
