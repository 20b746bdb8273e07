import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, beforeEach, describe, test } from 'node:test'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { startBucket } from '../testing/bucket.ts'
import { openLocal } from './local.ts'
import { openMirror } from './mirror.ts'
import { openS3 } from './s3.ts'
import { type ByteRange, openStorage, type Storage, StorageError } from './storage.ts'

const png = { contentType: 'image/png' }
const folder = await mkdtemp(join(tmpdir(), 'storage-'))
const bucket = await startBucket(join(folder, 's3'))

after(async () => {
  await bucket.stop()
  await rm(folder, { recursive: true })
})

const media: [string, Storage][] = [
  ['a local directory', openStorage({ localDirectory: join(folder, 'local'), s3: null, keepLocal: true })],
  ['S3', openStorage({ localDirectory: '', s3: bucket.config, keepLocal: false })],
  [
    'S3 with local copies',
    openStorage({
      localDirectory: join(folder, 'copies'),
      s3: { ...bucket.config, prefix: '/with/copies/' },
      keepLocal: true,
    }),
  ],
]

for (const [medium, storage] of media) {
  describe(`in ${medium}`, () => {
    let name = ''
    beforeEach(() => {
      name = randomBytes(24).toString('base64url')
    })
    after(() => storage.close())

    test('an object comes back byte for byte', async () => {
      for (const size of [0, 1, 25 * 1024 * 1024]) {
        const bytes = randomBytes(size)
        await storage.put(name, bytes, png)
        assert.ok((await storage.read(name))?.equals(bytes))
        const opened = await storage.open(name)
        assert.equal(opened?.size, size)
        assert.ok((await buffer(opened.stream)).equals(bytes))
        assert.equal((await storage.head(name))?.size, size)
      }
    })

    test('a stream is stored as its bytes, no more', async () => {
      const bytes = randomBytes(3_000_000)
      await storage.put(name, streamOf(bytes), png)
      assert.ok((await storage.read(name))?.equals(bytes))
    })

    test('a file is stored as its bytes, and refused when it is absent or of another length', async () => {
      const bytes = randomBytes(3_000_000)
      const file = join(folder, name)
      await writeFile(file, bytes, { mode: 0o644 })
      await storage.put(name, { file, size: bytes.length }, png)
      assert.ok((await storage.read(name))?.equals(bytes))
      assert.ok((await readFile(file)).equals(bytes), 'it is left where it was')
      for (const size of [bytes.length - 1, bytes.length + 1]) {
        await assert.rejects(storage.put(`${name}x`, { file, size }, png))
      }
      await assert.rejects(storage.put(`${name}y`, { file: `${file}-gone`, size: 1 }, png))
      assert.deepEqual([await storage.head(`${name}x`), await storage.head(`${name}y`)], [null, null])
      if (medium !== 'a local directory') return
      assert.equal((await stat(join(folder, 'local', name.slice(0, 2), name))).mode & 0o777, 0o600)
    })

    test('a range is the bytes from its first to its last offset', async () => {
      await storage.put(name, Buffer.from('0123456789'), png)
      const read = async (start: number, end: number) => {
        const opened = await storage.open(name, { start, end })
        return [opened?.size, String(await buffer(opened!.stream))]
      }
      assert.deepEqual(await read(0, 1), [10, '01'])
      assert.deepEqual(await read(2, 5), [10, '2345'])
      assert.deepEqual(await read(9, 9), [10, '9'])
    })

    test('an object is taken piece by piece, whole or a range of it, until whoever takes it has enough', async () => {
      const bytes = randomBytes(1_500_000)
      await storage.put(name, bytes, png)
      const taken = async (range?: ByteRange) => {
        const pieces: Buffer[] = []
        const size = await storage.take(name, async piece => void pieces.push(Buffer.from(piece)), range)
        assert.equal(size, bytes.length)
        return Buffer.concat(pieces)
      }
      const [whole, again, part] = await Promise.all([taken(), taken(), taken({ start: 10, end: 1_200_000 })])
      assert.ok(whole.equals(bytes) && again.equals(bytes))
      assert.ok(part.equals(bytes.subarray(10, 1_200_001)))
      const enough = () => assert.fail('enough')
      await assert.rejects(storage.take(name, enough), { message: 'enough' })
    })

    test('what was never put is null', async () => {
      assert.equal(await storage.take(name, () => assert.fail()), null)
      assert.equal(await storage.open(name), null)
      assert.equal(await storage.open(name, { start: 0, end: 3 }), null)
      assert.equal(await storage.read(name), null)
      assert.equal(await storage.head(name), null)
    })

    test('a deleted object is gone, and deleting it again is fine', async () => {
      await storage.put(name, Buffer.from('picture'), png)
      await storage.delete(name)
      assert.equal(await storage.read(name), null)
      await storage.delete(name)
    })

    test('writing a name again replaces the object', async () => {
      await storage.put(name, Buffer.from('the first and longer one'), png)
      await storage.put(name, Buffer.from('the second'), png)
      assert.equal(String(await storage.read(name)), 'the second')
    })

    test('concurrent writes of one name leave one of them, whole', async () => {
      const candidates = Array.from({ length: 6 }, (_, i) => Buffer.alloc(300_000 + i, i))
      await Promise.all(candidates.map(bytes => storage.put(name, bytes, png)))
      const stored = await storage.read(name)
      assert.ok(candidates.some(bytes => stored?.equals(bytes)))
    })

    test('a source that breaks, is short or is long is not blamed on the storage', () =>
      breaksWithItsOwnError(storage, name))

    test('a name that is no token is refused by every operation', async () => {
      for (const bad of [
        '',
        'short',
        '../../etc/passwd',
        'aaaaaaaa/b',
        'aaaaaaaa..',
        'a'.repeat(129),
        '.hidden12',
        'aaaaaaaa\n',
      ]) {
        await assert.rejects(async () => storage.put(bad, Buffer.from('x'), png), TypeError)
        await assert.rejects(async () => storage.open(bad), TypeError)
        await assert.rejects(async () => storage.take(bad, () => {}), TypeError)
        await assert.rejects(async () => storage.head(bad), TypeError)
        await assert.rejects(async () => storage.read(bad), TypeError)
        await assert.rejects(async () => storage.delete(bad), TypeError)
      }
      await storage.put(`${name}.thumb`, Buffer.from('x'), png)
      assert.equal(String(await storage.read(`${name}.thumb`)), 'x')
    })

    test('it is ready', () => storage.ready())
  })
}

describe('a local directory', () => {
  const directory = join(folder, 'crashes')
  const storage = openLocal(directory)

  test('a writer killed half way leaves a temporary file, which a sweep deletes', async () => {
    const script = `
      import { openLocal } from ${JSON.stringify(import.meta.resolve('./local.ts'))}
      import { Readable } from 'node:stream'
      async function* stalling() { yield Buffer.alloc(100_000); process.stdout.write('half'); await new Promise(() => {}) }
      setInterval(() => {}, 1000)
      const stream = Readable.from(stalling(), { highWaterMark: 0 })
      await openLocal(${JSON.stringify(directory)}).put('killed-half-way', { stream, size: 200_000 }, { contentType: 'image/png' })`
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(writer.stdout, 'data')
    writer.kill('SIGKILL')
    await once(writer, 'exit')

    await storage.put('kilt-is-beside-it', Buffer.from('whole'), png)
    assert.equal(await storage.read('killed-half-way'), null)
    assert.equal((await readdir(join(directory, 'ki'))).length, 2)
    assert.equal(await storage.sweepTemporary(3_600_000), 0, 'it is too young')
    assert.equal(await storage.sweepTemporary(-1000), 1)
    assert.deepEqual(await readdir(join(directory, 'ki')), ['kilt-is-beside-it'])
  })

  // Not in the contract: S3 discards an upload that breaks, but the server that stands in for it here does not.
  test('a source that breaks leaves the object as it was', async () => {
    await breaksWithItsOwnError(storage, 'broken-at-first')
    assert.deepEqual(await readdir(join(directory, 'br')), [])
    await storage.put('broken-at-first', Buffer.from('whole'), png)
    await breaksWithItsOwnError(storage, 'broken-at-first')
    assert.equal(String(await storage.read('broken-at-first')), 'whole')
    assert.deepEqual(await readdir(join(directory, 'br')), ['broken-at-first'])
  })

  test('a place that cannot be written to fails as a StorageError', async () => {
    await writeFile(join(folder, 'a-file'), '')
    const broken = openLocal(join(folder, 'a-file'))
    await failsAs('put', broken.put('some-object', Buffer.from('x'), png))
    await failsAs('put', broken.put('some-object', streamOf(Buffer.from('x')), png))
    await failsAs('read', broken.read('some-object'))
    await failsAs('ready', broken.ready())
  })
})

describe('S3', () => {
  test('keys carry the prefix, objects their type and a cache header for browsers only', async t => {
    const storage = openS3({ ...bucket.config, prefix: '/meteor/images/' })
    const reader = new S3Client({ ...bucket.config, forcePathStyle: true, credentials: bucket.config })
    t.after(() => reader.destroy())
    t.after(() => storage.close())

    await storage.put('token-of-a-picture', streamOf(Buffer.from('picture')), { contentType: 'image/webp' })
    const key = { Bucket: bucket.config.bucket, Key: 'meteor/images/token-of-a-picture' }
    const found = await reader.send(new GetObjectCommand(key))
    assert.equal(await found.Body?.transformToString(), 'picture')
    assert.equal(found.ContentType, 'image/webp')
    assert.equal(found.CacheControl, 'private, max-age=31536000, immutable')
    assert.deepEqual(await storage.head('token-of-a-picture'), { size: 7, contentType: 'image/webp' })
  })

  test('a wrong secret fails as a StorageError, not as an absent object', async t => {
    const storage = openS3({ ...bucket.config, secretAccessKey: 'wrong' })
    t.after(() => storage.close())
    await failsInEveryOperation(storage)
  })

  test('a missing bucket is not ready', async t => {
    const storage = openS3({ ...bucket.config, bucket: 'nobody-made-it' })
    t.after(() => storage.close())
    await failsAs('ready', storage.ready())
    await failsAs('read', storage.read('some-object'))
  })

  test('a store that is down fails as a StorageError', async t => {
    const storage = openS3({ ...bucket.config, endpoint: `http://127.0.0.1:${await unusedPort()}` })
    t.after(() => storage.close())
    await failsInEveryOperation(storage)
  })

  test('a store that accepts connections and says nothing fails as a StorageError', async t => {
    const mute = await startMute()
    const storage = openS3({ ...bucket.config, endpoint: mute.url }, { connect: 500, idle: 300, answer: 300 })
    t.after(() => mute.stop())
    t.after(() => storage.close())
    await failsInEveryOperation(storage)
  })
})

describe('S3 with local copies', () => {
  const copyDirectory = join(folder, 'mirrored')
  const s3 = openS3({ ...bucket.config, prefix: 'mirrored' })
  const warnings: string[] = []
  const storage = openMirror(s3, openLocal(copyDirectory), { warn: (_, message) => warnings.push(message) })
  before(() => storage.ready())
  beforeEach(() => {
    warnings.length = 0
  })
  after(() => storage.close())

  test('an object is in both, and the local copy is read first', async () => {
    for (const bytes of [Buffer.from('from S3'), streamOf(Buffer.from('from S3'))]) {
      await storage.put('both-places', bytes, png)
      assert.equal(String(await s3.read('both-places')), 'from S3')
      assert.equal(String(await openLocal(copyDirectory).read('both-places')), 'from S3')
    }
    await openLocal(copyDirectory).put('both-places', Buffer.from('copy'), png)
    assert.equal(String(await storage.read('both-places')), 'copy')
    await storage.delete('both-places')
    assert.equal(await openLocal(copyDirectory).read('both-places'), null)
    assert.equal(await s3.read('both-places'), null)
  })

  test('an object without a copy comes from S3', async () => {
    await s3.put('only-in-s3', Buffer.from('from S3'), png)
    assert.equal(String(await storage.read('only-in-s3')), 'from S3')
  })

  test('what is to have no copies is in S3 alone, also where an older one was copied', async () => {
    await storage.put('once-copied', Buffer.from('older'), png)
    await storage.put('once-copied', Buffer.from('newer'), { ...png, withoutCopies: true })
    assert.equal(await openLocal(copyDirectory).read('once-copied'), null)
    assert.equal(String(await storage.read('once-copied')), 'newer')
    await storage.delete('once-copied')
    assert.equal(await s3.read('once-copied'), null)
  })

  test('a copy that cannot be kept is logged and S3 serves', async () => {
    const broken = openMirror(s3, openLocal(join(folder, 'a-file')), { warn: (_, message) => warnings.push(message) })
    await broken.put('no-copy-of-it', Buffer.from('from S3'), png)
    assert.equal(String(await broken.read('no-copy-of-it')), 'from S3')
    assert.ok(warnings.length > 0)
  })

  test('a copy that breaks off is not begun anew with the other', async () => {
    const bytes = randomBytes(1_500_000)
    await storage.put('breaks-off', bytes, png)
    const truncated = join(copyDirectory, 'br', 'breaks-off')
    const pieces: Buffer[] = []
    const taking = storage.take('breaks-off', async piece => {
      pieces.push(Buffer.from(piece))
      await truncate(truncated, 600_000)
    })
    await failsAs('read', taking)
    assert.ok(Buffer.concat(pieces).equals(bytes.subarray(0, Buffer.concat(pieces).length)))
  })

  test('a put that S3 refused leaves no copy', async () => {
    const refused = openS3({ ...bucket.config, secretAccessKey: 'wrong' })
    const half = openMirror(refused, openLocal(copyDirectory), { warn: () => {} })
    await openLocal(copyDirectory).put('refused-by-s3', Buffer.from('an older one'), png)
    await failsAs('put', half.put('refused-by-s3', Buffer.from('x'), png))
    assert.equal(await openLocal(copyDirectory).read('refused-by-s3'), null)
    await refused.close()
  })
})

const streamOf = (bytes: Buffer) => ({ stream: Readable.from([bytes], { objectMode: false }), size: bytes.length })

async function breaksWithItsOwnError(storage: Storage, name: string) {
  async function* breaking() {
    yield Buffer.alloc(200_000)
    throw new Error('the sender hung up')
  }
  const put = (stream: Readable, size: number) => storage.put(name, { stream, size }, png)
  await assert.rejects(put(Readable.from(breaking()), 300_000), { message: 'the sender hung up' })
  await assert.rejects(put(Readable.from([Buffer.alloc(10)]), 11), RangeError)
  await assert.rejects(put(Readable.from([Buffer.alloc(10)]), 9), RangeError)
}

async function failsInEveryOperation(storage: Storage) {
  await failsAs('ready', storage.ready())
  await failsAs('put', storage.put('some-object', Buffer.from('x'), png))
  await failsAs('put', storage.put('some-object', streamOf(Buffer.alloc(300_000)), png))
  await failsAs('open', storage.open('some-object'))
  await failsAs(
    'open',
    storage.take('some-object', () => {}),
  )
  await failsAs('head', storage.head('some-object'))
  await failsAs('read', storage.read('some-object'))
  await failsAs('delete', storage.delete('some-object'))
}

const failsAs = (operation: string, work: Promise<unknown>) =>
  assert.rejects(
    work,
    (error: Error) => error instanceof StorageError && error.operation === operation && !!error.cause,
  )

async function startMute() {
  const sockets = new Set<Socket>()
  const server = createServer(socket => void sockets.add(socket.on('error', () => {}).resume()))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const stop = () => {
    for (const socket of sockets) socket.destroy()
    return once(server.close(), 'close')
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}
