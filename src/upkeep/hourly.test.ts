import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { access, mkdir, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import { z } from 'zod'
import { filePicture, newToken, originalName, storePicture, thumbnailName } from '../library/keep.ts'
import { keepUpload } from '../library/uploads.ts'
import { createLog } from '../log.ts'
import { openStorage, type Storage, StorageError } from '../storage/storage.ts'
import { atEnd } from '../testing/database.ts'
import { houseOf } from '../testing/house.ts'
import { alice, type Person } from '../testing/people.ts'
import { type MadePicture, makePicture } from '../testing/pictures.ts'
import { scriptedServer } from '../testing/scripted-server.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { openJobs } from '../work/queues.ts'
import { keepHouse } from './hourly.ts'

let app: TestApp
let storage: Storage
before(async () => {
  app = await testApp()
  storage = openStorage({ localDirectory: assets(), s3: null, keepLocal: false })
})

test('the trash keeps a picture for thirty days', async () => {
  const owner = await alice(app)
  const [fresh, stale] = [await madeLongAgo(owner, 'fresh'), await madeLongAgo(owner, 'stale')]
  await throwAway(fresh, '29 days 23 hours')
  await throwAway(stale, '30 days 1 hour')

  await keepHouse(house())

  assert.equal((await owner.get(`/library/${fresh.id}`)).status, 200)
  assert.equal((await owner.get(`/files/${fresh.token}`)).status, 200)
  assert.equal((await owner.get(`/library/${stale.id}`)).status, 404)
  assert.equal((await owner.get(`/files/${stale.token}`)).status, 404)
  assert.deepEqual([await isStored(fresh), await isStored(stale)], [true, false])
})

test('bytes that two pictures share go with the last of them', async () => {
  const owner = await alice(app)
  const [first, second] = [await madeLongAgo(owner, 'the same twice'), await madeLongAgo(owner, 'the same twice')]
  assert.equal(first.token, second.token)

  await throwAway(first, '31 days')
  await keepHouse(house())
  assert.equal((await owner.get(`/library/${first.id}`)).status, 404)
  assert.equal((await owner.get(`/files/${second.token}`)).status, 200)

  await throwAway(second, '31 days')
  await keepHouse(house())
  assert.equal(await isStored(second), false)
})

test('bytes that could not be deleted are deleted an hour later', async () => {
  const owner = await alice(app)
  const picture = await madeLongAgo(owner, 'hard to delete')
  await throwAway(picture, '31 days')
  const failing = { ...storage, delete: () => Promise.reject(new StorageError('delete', { cause: 'out of order' })) }

  await keepHouse({ ...house(), storage: failing })
  assert.equal(await isStored(picture), true)
  await keepHouse(house())

  assert.equal(await isStored(picture), false)
})

test('one object that cannot be deleted keeps no other', async () => {
  const owner = await alice(app)
  const pictures: MadePicture[] = []
  for (let i = 0; i < 5; i++) pictures.push(await madeLongAgo(owner, `one of five, no. ${i}`))
  for (const picture of pictures) await throwAway(picture, '31 days')
  const [stuck] = pictures.map(({ token }) => token).toSorted()
  const failing: Storage = {
    ...storage,
    async delete(name) {
      if (name.startsWith(stuck!)) throw new StorageError('delete', { cause: 'forbidden' })
      await storage.delete(name)
    },
  }

  await keepHouse({ ...house(), storage: failing })

  const left = await app.db.many(z.object({ token: z.string() }), 'select token from files where token = any($1)', [
    pictures.map(({ token }) => token),
  ])
  assert.deepEqual(left, [{ token: stuck }])
  await keepHouse(house())
  for (const picture of pictures) assert.equal(await isStored(picture), false)
})

test('bytes that were stored and never filed are found a day later, those on their way are left alone', async () => {
  const owner = await alice(app)
  const { token } = await makePicture(app, owner, 'to be brought again')
  const { body } = await owner.get(`/files/${token}`)
  const brings = await alice(app)
  // The process dies when the bytes are there and their row is not.
  const broken = { ...app.db, transaction: () => Promise.reject(new Error('killed')) }
  const deps = { ...house(), db: broken }
  const { id: userId } = await app.db.one(z.object({ id: z.number() }), 'select id from users where email = $1', [
    brings.email,
  ])
  await assert.rejects(keepUpload(deps, userId, body), /killed/)
  const named = () => app.db.many(z.object({ token: z.string() }), 'select token from named_files')
  const [orphan] = await named()
  assert.ok(await storage.head(orphan!.token))

  await keepHouse(house())
  assert.ok(await storage.head(orphan!.token), 'it might still be on its way')
  await app.db.run(`update named_files set named_at = now() - interval '25 hours'`)
  await keepHouse(house())

  assert.equal(await storage.head(orphan!.token), null)
  assert.equal(await storage.head(`${orphan!.token}.thumb`), null)
  assert.deepEqual(await named(), [])
})

test('a second copy that could not be deleted at once is deleted later', async () => {
  const owner = await alice(app)
  const { token } = await makePicture(app, owner, 'the same again')
  const { body } = await owner.get(`/files/${token}`)
  const { id: userId } = await app.db.one(z.object({ id: z.number() }), 'select id from users where email = $1', [
    owner.email,
  ])
  const failing = { ...storage, delete: () => Promise.reject(new StorageError('delete', { cause: 'out of order' })) }
  const stored = await storePicture({ storage, config: app.config }, 'a-second-copy-of-the-very-same-1', body)
  const picture = { model: '', prompt: '', requestedSize: '', quality: '', position: 0, jobId: randomUUID() }
  await filePicture({ ...house(), storage: failing }, stored, {
    ...picture,
    userId,
    token: 'a-second-copy-of-the-very-same-1',
  })
  assert.ok(await storage.head('a-second-copy-of-the-very-same-1'))

  await app.db.run(`update named_files set named_at = now() - interval '25 hours'`)
  await keepHouse(house())
  assert.equal(await storage.head('a-second-copy-of-the-very-same-1'), null)
})

test('a file that no picture uses yet is left alone for a day', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'brought a minute ago')
  await app.db.run(`delete from pictures where id = $1`, [picture.id])

  await keepHouse(house())

  assert.equal(await isStored(picture), true)
})

test('what crashed writes left behind goes', async () => {
  const folder = path.join(assets(), 'ab')
  const leftover = path.join(folder, `.${'0'.repeat(24)}.tmp`)
  await mkdir(folder, { recursive: true })
  await writeFile(leftover, 'half a picture')
  const yesterday = new Date(Date.now() - 86_400_000)
  await utimes(leftover, yesterday, yesterday)

  await keepHouse(house())

  await assert.rejects(access(leftover), { code: 'ENOENT' })
})

test('sign-ins and counts that are over go, and those in use stay', async () => {
  const [active, away] = [await alice(app), await alice(app)]
  await app.db.run(
    `update sign_ins set last_seen_at = now() - interval '40 days'
     where user_id = (select id from users where email = $1)`,
    [away.email],
  )
  await app.db.run(`insert into rate_limits (key, points, expire) values ('over', 1, 1), ('on', 1, 99999999999999)`)

  await keepHouse(house())

  assert.equal((await active.get('/library')).status, 200)
  assert.equal((await away.get('/library')).status, 303)
  const counts = await app.db.pool.query(`select key from rate_limits where key in ('over', 'on')`)
  assert.deepEqual(counts.rows, [{ key: 'on' }])
})

test('it is done every hour', async () => {
  const { rows } = await app.db.pool.query(`select cron from pgboss.schedule where name = 'housekeeping'`)
  assert.deepEqual(rows, [{ cron: '17 * * * *' }])
})

test('a process that is told to stop leaves the rest of its housekeeping to the next one', async t => {
  const tokens = Array.from({ length: 3000 }, newToken).toSorted()
  const objects = new Map(tokens.flatMap(namesOf).map(name => [`/pictures/${name}`, '']))
  const store = await scriptedServer(t, (req, res) => {
    const name = req.url!.split('?')[0]!
    if (req.method === 'PUT') objects.set(name, store.requests.find(each => each.req === req)!.body)
    if (req.method !== 'DELETE') return void res.end(objects.get(name))
    setTimeout(() => {
      objects.delete(name)
      res.writeHead(204).end()
    }, 10)
  })
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
  const s3 = { endpoint: store.url, region: 'auto', bucket: 'pictures', ...credentials, isPublic: false, prefix: '' }
  const slow = await testApp({ s3, worker: { ...app.config.worker, sweepSeconds: 1 } })
  await slow.db.run(
    `insert into named_files (token, named_at) select token, now() - interval '25 hours' from unnest($1::text[]) as token`,
    [tokens],
  )
  const left = async () => {
    const rows = await slow.db.many(
      z.object({ token: z.string() }),
      `select token from named_files order by token collate "C"`,
    )
    return rows.map(({ token }) => token)
  }
  const jobs = openJobs({ url: slow.db.url, works: false, log: createLog('silent') })
  atEnd(() => jobs.stop())

  await jobs.send(slow.db, 'housekeeping', {})
  await until('some to be deleted', async () => (await left()).length < tokens.length)
  await slow.running.stop()

  const rest = await left()
  assert.ok(rest.length > 0)
  assert.deepEqual(
    tokens.flatMap(namesOf).filter(name => objects.has(`/pictures/${name}`)),
    rest.flatMap(namesOf),
    'of what has a row all the bytes are there, and of the others none',
  )

  await slow.another()
  await jobs.send(slow.db, 'housekeeping', {})
  await until('the next one to go on', async () => (await left()).length < rest.length)
})

const namesOf = (token: string) => [token, thumbnailName(token), originalName(token)]
const house = () => houseOf(app, storage)
const assets = () => path.join(app.config.dataDirectory, 'assets')

async function madeLongAgo(owner: Person, prompt: string): Promise<MadePicture> {
  const picture = await makePicture(app, owner, prompt)
  await app.db.run(`update files set created_at = now() - interval '60 days' where token = $1`, [picture.token])
  return picture
}

async function throwAway(picture: MadePicture, ago: string): Promise<void> {
  await app.db.run(`update pictures set deleted_at = now() - $2::interval where id = $1`, [picture.id, ago])
}

async function isStored({ token }: MadePicture): Promise<boolean> {
  const heads = await Promise.all([storage.head(token), storage.head(`${token}.thumb`)])
  assert.equal(heads[0] === null, heads[1] === null, 'picture and thumbnail go together')
  return heads[0] !== null
}
