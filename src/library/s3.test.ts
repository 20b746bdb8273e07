import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { before, test } from 'node:test'
import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import sharp from 'sharp'
import { loadConfig } from '../config.ts'
import { openLocal } from '../storage/local.ts'
import { openStorage } from '../storage/storage.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { startBucket } from '../testing/bucket.ts'
import { atEnd } from '../testing/database.ts'
import { houseOf } from '../testing/house.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, charlie } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { keepHouse } from '../upkeep/hourly.ts'

const base = new URL('https://img.example.com/meteor-images')
let app: TestApp
let bucket: S3Client
/** Of the server; buckets are its folders. */
let directory: string
before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'playground-s3-'))
  const store = await startBucket(directory)
  const { endpoint, accessKeyId, secretAccessKey } = store.config
  bucket = new S3Client({
    endpoint,
    region: 'auto',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  atEnd(async () => {
    bucket.destroy()
    await store.stop()
    await rm(directory, { recursive: true })
  })
  const { s3 } = loadConfig({
    SUB2API_UPSTREAM: 'http://gateway.example.com',
    SESSION_SECRET: 'x'.repeat(32),
    R2_ENDPOINT: endpoint,
    R2_BUCKET: 'pictures',
    R2_ACCESS_KEY_ID: accessKeyId,
    R2_SECRET_ACCESS_KEY: secretAccessKey,
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

test('Cloudflare makes thumbnails of what only the bucket behind it has, for its owner, where the operator says so', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'made small elsewhere')
  const thumb = `/files/${picture.token}/thumb`
  assert.equal((await owner.get(thumb)).status, 200, 'a public address alone changes nothing')
  const signIn = async (more: Parameters<TestApp['another']>[0]) => {
    const { browser } = await app.another({ cdnBase: base.href, resizesAtCdn: true, role: 'web', ...more })
    const [mine, stranger] = [browser(), browser()]
    await mine.post('/login', { email: owner.email, password: 'long enough' })
    return { mine, stranger }
  }
  const { mine, stranger } = await signIn({ thumbnailEdge: 320 })
  const sent = await mine.get(thumb)
  const how = 'width=320,height=320,fit=scale-down,quality=80,format=auto'
  assert.equal(sent.status, 307)
  assert.equal(sent.location, `https://img.example.com/cdn-cgi/image/${how}/meteor-images/${picture.token}`)
  assert.equal(sent.headers['cache-control'], 'private, max-age=300')
  assert.notEqual((await stranger.get(thumb)).status, 307)
  assert.equal((await (await charlie(app)).get(thumb)).status, 404)
  const policy = (await mine.get('/library')).headers['content-security-policy']
  assert.match(String(policy), /img-src 'self' blob: https:\/\/img\.example\.com;/)
  assert.doesNotMatch(String((await owner.get('/library')).headers['content-security-policy']), /example\.com/)

  const assets = path.join(app.config.dataDirectory, 'assets')
  await openLocal(assets).put(picture.token, Buffer.from('x'), { contentType: 'image/png' })
  const near = await signIn({ keepLocalAssets: true })
  assert.equal((await near.mine.get(thumb)).status, 200, 'what is here is sent from here')
  await rm(assets, { recursive: true })
})

test('a thumbnail is as large as the operator says', async () => {
  const small = await testApp({ thumbnailEdge: 96 })
  const person = await alice(small)
  const { token } = await makePicture(small, person, 'a small thumbnail')
  const teal = await sharp({ create: { width: 300, height: 200, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  const uploaded = await person.upload(
    '/images/references',
    [['teal.png', teal]],
    {},
    { headers: { 'HX-Request': 'true' } },
  )
  const reference = uploaded.html.querySelector('input[name=reference]')?.getAttribute('value')
  for (const each of [token, reference]) {
    const { width, height } = await sharp((await person.get(`/files/${each}/thumb`)).body).metadata()
    assert.equal(Math.max(width, height), 96)
  }
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

test('objects that anybody may see behind a CDN may be kept by it for a day, others by their reader alone', async () => {
  const cacheOf = async (isPublic: boolean, name: string) => {
    const storage = openStorage({ localDirectory: '', s3: { ...app.config.s3!, isPublic }, keepLocal: false })
    await storage.put(name, Buffer.from('bytes'), { contentType: 'image/png' })
    await storage.put(`${name}-2`, { stream: Readable.from([Buffer.from('x')]), size: 1 }, { contentType: 'image/png' })
    await storage.close()
    const heads = [name, `${name}-2`].map(each =>
      bucket.send(new HeadObjectCommand({ Bucket: 'pictures', Key: `meteor-images/${each}` })),
    )
    return new Set((await Promise.all(heads)).map(head => head.CacheControl))
  }
  assert.deepEqual([...(await cacheOf(true, 'for-anybody'))], ['public, max-age=86400'])
  assert.deepEqual([...(await cacheOf(false, 'for-its-owner'))], ['private, max-age=31536000, immutable'])
})

test('while its store has not answered since the start a process takes no picture, says so, and goes on by itself', async () => {
  const s3 = { ...app.config.s3!, bucket: 'made-later' }
  const house = await testApp({ s3, worker: { ...app.config.worker, tickSeconds: 0.1 } })
  const person = await alice(house)
  const page = await person.get('/images')
  assert.match(page.html.querySelector('#blocked')!.text, /This server cannot keep pictures at the moment/)
  const refused = await person.post('/images', { prompt: 'too early' })
  assert.equal(refused.status, 503)
  assert.equal(refused.html.querySelector('textarea[name="prompt"]')?.text.trim(), 'too early')
  const token = await tokenOf(house, await boundKey(house, person))
  const byScript = await fetch(`${house.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify({ prompt: 'too early' }),
  })
  assert.equal(byScript.status, 503)
  assert.equal(((await byScript.json()) as { reason: string }).reason, 'unavailable')
  assert.equal((await person.get('/ready')).status, 503)

  // Another process, whose store answers, has taken one.
  const other = (await house.another({ role: 'web', s3: app.config.s3 })).browser()
  await other.post('/login', { email: person.email, password: 'long enough' })
  await until('the other process to be ready', async () => (await other.get('/ready')).status === 200)
  const id = await ask(other, 'waits for the store')
  await until('the worker to look', async () => house.logs.filter(line => line.includes('has not answered')).length > 2)
  assert.deepEqual([(await jobRow(house.db, id)).state, (await jobRow(house.db, id)).attempts], ['queued', 0])
  assert.equal(house.mock.control.calls().length, 0)

  await mkdir(path.join(directory, 'made-later'))
  assert.equal((await jobEnd(house.db, id)).state, 'done')
  assert.equal((await person.get('/ready')).status, 200)
  assert.equal((await person.get('/images')).html.querySelector('#blocked')!.text.trim(), '')
})
