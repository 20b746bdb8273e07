import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { before, test } from 'node:test'
import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { loadConfig } from '../config.ts'
import { keepHouse } from '../housekeeping.ts'
import { openLocal } from '../storage/local.ts'
import { openStorage } from '../storage/storage.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { atEnd } from '../testing/database.ts'
import { houseOf } from '../testing/house.ts'
import { alice, charlie } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
const base = new URL('https://img.example.com/meteor-images')
let app: TestApp
let bucket: S3Client
before(async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-s3-'))
  const S3rver = createRequire(import.meta.url)('@20minutes/s3rver') as new (
    options: object,
  ) => { run(): Promise<AddressInfo>; close(): Promise<void> }
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory,
    configureBuckets: [{ name: 'pictures' }],
  })
  const endpoint = `http://127.0.0.1:${(await server.run()).port}`
  bucket = new S3Client({ endpoint, region: 'auto', forcePathStyle: true, credentials })
  atEnd(async () => {
    bucket.destroy()
    await server.close()
    await rm(directory, { recursive: true })
  })
  const { s3 } = loadConfig({
    SUB2API_UPSTREAM: 'http://gateway.example.com',
    SESSION_SECRET: 'x'.repeat(32),
    R2_ENDPOINT: endpoint,
    R2_BUCKET: 'pictures',
    R2_ACCESS_KEY_ID: credentials.accessKeyId,
    R2_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    PLAYGROUND_IMAGE_CDN_BASE: base.href,
  })
  app = await testApp({ s3 })
})

test('with a bucket, pictures are its objects, named as behind its public address, and served from here', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a picture in a bucket')
  const object = { Bucket: 'pictures', Key: new URL(`${base}/${picture.token}`).pathname.slice(1) }

  const stored = await bucket.send(new GetObjectCommand(object))
  const bytes = await buffer(stored.Body as NodeJS.ReadableStream)
  assert.equal(stored.ContentType, 'image/png')
  assert.deepEqual(await readdir(app.config.dataDirectory), ['spill'], 'no picture is kept on this machine')

  const whole = await owner.get(`/files/${picture.token}`)
  assert.ok(whole.body.equals(bytes))
  assert.equal(whole.headers['content-length'], String(bytes.length))
  const part = await owner.get(`/files/${picture.token}`, { headers: { Range: 'bytes=-10' } })
  assert.equal(part.status, 206)
  assert.ok(part.body.equals(bytes.subarray(-10)))
  assert.equal((await owner.head(`/files/${picture.token}`)).headers['content-length'], String(bytes.length))
  assert.equal((await owner.get(`/files/${picture.token}/thumb`)).headers['content-type'], 'image/webp')
  assert.equal((await (await charlie(app)).get(`/files/${picture.token}`)).status, 404)

  await app.db.run(`update pictures set deleted_at = now() - interval '31 days'`)
  await app.db.run(`update files set created_at = now() - interval '31 days'`)
  const storage = openStorage({ localDirectory: '', s3: app.config.s3, keepLocal: false })
  await keepHouse(houseOf(app, storage))
  await storage.close()
  await assert.rejects(bucket.send(new HeadObjectCommand(object)), { name: 'NotFound' })
  assert.equal((await owner.get(`/files/${picture.token}`)).status, 404)
})

test('what only the bucket has is fetched from its public address, what has a copy here from here', async () => {
  const owner = await alice(app)
  const { token } = await makePicture(app, owner, 'behind a CDN')
  const asset = `/api/playground/assets/${token}`
  assert.equal((await owner.get(asset)).status, 200, 'without a public address')

  const { browser } = await app.another({ cdnBase: base.href, keepLocalAssets: true, role: 'web' })
  const [mine, stranger] = [browser(), browser()]
  await mine.post('/login', { email: owner.email, password: 'long enough' })
  const sent = [await mine.get(asset), await mine.head(asset), await mine.get(`${asset}?download=1&filename=a.png`)]
  for (const answer of sent) {
    assert.deepEqual([answer.status, answer.location, answer.text], [307, `${base.href}/${token}`, ''])
    assert.equal(answer.headers['cache-control'], 'private, max-age=300')
  }
  assert.equal((await stranger.get(asset)).status, 404)
  const key = await boundKey(app, owner)
  const Authorization = `Bearer ${await tokenOf(app, key)}`
  const streamed = await stranger.get(asset, { headers: { Authorization } })
  assert.deepEqual([streamed.status, streamed.headers['content-type']], [200, 'image/png'], 'a token goes nowhere else')

  const assets = path.join(app.config.dataDirectory, 'assets')
  await openLocal(assets).put(token, streamed.body, { contentType: 'image/png' })
  const copy = await mine.get(asset)
  assert.deepEqual([copy.status, copy.body.equals(streamed.body)], [200, true])
  await rm(assets, { recursive: true })
})

test('a bucket that answers no more is an outage, not a missing picture', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'out of reach')
  const cut = await app.another({ s3: { ...app.config.s3!, endpoint: 'http://127.0.0.1:9' }, role: 'web' })
  const browser = cut.browser()
  await browser.post('/login', { email: owner.email, password: 'long enough' })

  assert.equal((await browser.get(`/files/${picture.token}`)).status, 503)
  assert.equal((await browser.get('/ready')).status, 503)
  assert.equal((await browser.get('/library')).status, 200)
})
