import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { guarded, StorageError, type StorageOperation } from './errors.ts'
import { assertObjectName, exactly, isObjectName } from './objects.ts'
import type { ByteRange, Listed, S3Config, Storage } from './storage.ts'

/** How long the store may take, in ms: to accept a connection; in silence on one; to answer anything but a put. */
interface S3Patience {
  connect: number
  idle: number
  answer: number
}

const usualPatience: S3Patience = { connect: 3_000, idle: 20_000, answer: 15_000 }
// A picture that was deleted for good has to leave shared caches soon after.
const cacheControl = { private: 'private, max-age=31536000, immutable', public: 'public, max-age=86400' }
const probeName = 'ready-probe'
const probeEveryMs = 30_000

/**
 * Objects in an S3 bucket or its like (R2, MinIO). On AWS the credentials must be allowed to list the bucket: without
 * that it answers 403, not 404, for an absent object.
 */
export function openS3(config: S3Config, patience: S3Patience = usualPatience): Storage {
  // The SDK takes 50 ms to load: at the first use, not at start.
  let connection: Promise<Connection> | null = null
  const connected = () => (connection ??= connect(config, patience))

  const CacheControl = cacheControl[config.isPublic ? 'public' : 'private']
  const prefix = config.prefix.replace(/^\/+|\/+$/g, '')
  const objectAt = (name: string) => {
    assertObjectName(name)
    return { Bucket: config.bucket, Key: prefix ? `${prefix}/${name}` : name }
  }

  /** One question about one object; null when it is absent. */
  async function ask<T>(operation: StorageOperation, name: string, send: Question<T>): Promise<T | null> {
    const object = objectAt(name)
    return guarded(operation, async () => {
      const s3 = await connected()
      return answerWithin(patience.answer, signal => send(s3, object, signal)).catch(absent)
    })
  }

  const get = (operation: StorageOperation, name: string, range?: ByteRange) =>
    ask(operation, name, ({ client, sdk }, object, signal) => {
      const Range = range && { Range: `bytes=${range.start}-${range.end}` }
      return client.send(new sdk.GetObjectCommand({ ...object, ...Range }), signal)
    })

  async function open(name: string, range?: ByteRange) {
    const answer = await get('open', name, range)
    if (!answer) return null
    const size = Number(answer.ContentRange?.split('/')[1] ?? answer.ContentLength)
    return { stream: answer.Body as Readable, size }
  }

  async function putBytes(name: string, bytes: Uint8Array, contentType: string) {
    const object = { ...objectAt(name), ContentType: contentType, CacheControl }
    await guarded('put', async () => {
      const { client, sdk } = await connected()
      await client.send(new sdk.PutObjectCommand({ ...object, Body: bytes }))
    })
  }

  async function putStream(name: string, bytes: { stream: Readable; size: number }, contentType: string) {
    const object = { ...objectAt(name), ContentType: contentType, CacheControl }
    const source = exactly(bytes)
    const body = Readable.from(source.chunks(), { objectMode: false })
    // The SDK pipes the stream and never hears that it broke: end the request ourselves, or it waits for the rest.
    const broken = new AbortController()
    body.once('error', error => broken.abort(error))
    try {
      const { client, sdk } = await connected()
      const command = new sdk.PutObjectCommand({ ...object, Body: body, ContentLength: bytes.size })
      await client.send(command, { abortSignal: broken.signal })
    } catch (cause) {
      throw source.failure() ?? new StorageError('put', { cause })
    } finally {
      body.destroy()
      bytes.stream.destroy()
    }
  }

  async function* list(): AsyncGenerator<Listed> {
    const Prefix = prefix ? `${prefix}/` : ''
    let last: string | undefined
    let isMore = true
    while (isMore) {
      const page = await guarded('list', async () => {
        const { client, sdk } = await connected()
        const command = new sdk.ListObjectsCommand({ Bucket: config.bucket, Prefix, Marker: last })
        return answerWithin(patience.answer, signal => client.send(command, signal))
      })
      for (const { Key = '', Size = 0, LastModified = new Date() } of page.Contents ?? []) {
        last = Key
        const name = Key.slice(Prefix.length)
        if (isObjectName(name)) yield { name, size: Size, modifiedAt: LastModified }
      }
      isMore = page.IsTruncated === true && (page.Contents?.length ?? 0) > 0
    }
  }

  let probedAt = Number.NEGATIVE_INFINITY

  /** What every picture needs: a key that may only write shows here, not when a picture has been paid for. */
  async function probe({ client, sdk }: Connection, object: Place, signal: { abortSignal: AbortSignal }) {
    await client.send(new sdk.PutObjectCommand({ ...object, Body: Buffer.from('ready') }), signal)
    const { Body } = await client.send(new sdk.GetObjectCommand(object), signal)
    if ((await Body?.transformToString()) !== 'ready') throw new Error('an object came back as another')
    await client.send(new sdk.DeleteObjectCommand(object), signal)
  }

  return {
    put: (name, bytes, { contentType }) =>
      bytes instanceof Uint8Array
        ? putBytes(name, bytes, contentType)
        : putStream(name, 'file' in bytes ? { ...bytes, stream: createReadStream(bytes.file) } : bytes, contentType),

    open,

    async take(name, take, range) {
      const object = await open(name, range)
      if (!object) return null
      const pieces = object.stream.iterator() as AsyncIterator<Buffer>
      try {
        for (;;) {
          const { value, done } = await guarded('read', () => pieces.next())
          if (done) return object.size
          await take(value)
        }
      } finally {
        object.stream.destroy()
      }
    },

    async read(name) {
      const answer = await get('read', name)
      return answer && guarded('read', async () => Buffer.from(await answer.Body!.transformToByteArray()))
    },

    async head(name) {
      const answer = await ask('head', name, ({ client, sdk }, object, signal) =>
        client.send(new sdk.HeadObjectCommand(object), signal),
      )
      if (!answer) return null
      const size = answer.ContentLength ?? 0
      return answer.ContentType ? { size, contentType: answer.ContentType } : { size }
    },

    onlyInBucket: async () => true,

    list,

    async delete(name) {
      await ask('delete', name, ({ client, sdk }, object, signal) =>
        client.send(new sdk.DeleteObjectCommand(object), signal),
      )
    },

    /** Stores bill for writes. */
    async ready() {
      if (performance.now() - probedAt < probeEveryMs) return
      const place = objectAt(`${probeName}-${randomBytes(6).toString('hex')}`)
      await guarded('ready', async () => {
        const s3 = await connected()
        await answerWithin(patience.answer, signal => probe(s3, place, signal))
      })
      probedAt = performance.now()
    },
    isProven: () => probedAt > 0,

    sweepTemporary: async () => 0,

    async close() {
      const opened = await connection
      opened?.client.destroy()
    },
  }
}

type Connection = Awaited<ReturnType<typeof connect>>
interface Place {
  Bucket: string
  Key: string
}
type Question<T> = (s3: Connection, object: Place, options: { abortSignal: AbortSignal }) => Promise<T>

async function connect(config: S3Config, patience: S3Patience) {
  const sdk = await import('@aws-sdk/client-s3')
  const client = new sdk.S3Client({
    endpoint: config.endpoint,
    region: config.region,
    forcePathStyle: true,
    credentials: { accessKeyId: config.accessKeyId, secretAccessKey: config.secretAccessKey },
    // Stores other than AWS refuse or even store the trailing checksums that the SDK adds to streams by default.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // `Expect: 100-continue` makes the SDK open a new connection for every large put.
    expectContinueHeader: false,
    maxAttempts: 3,
    // What it would print to the console is in the errors that it throws.
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    requestHandler: { connectionTimeout: patience.connect, socketTimeout: patience.idle },
  })
  return { sdk, client }
}

/** Bounds the wait for the answer, retries included, not the reading of its body: a browser may be slow. */
async function answerWithin<T>(ms: number, ask: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${ms} ms`)), ms)
  try {
    return await ask({ abortSignal: controller.signal })
  } finally {
    clearTimeout(timer)
  }
}

function absent(error: Error): null {
  if (error.name === 'NoSuchKey' || error.name === 'NotFound') return null
  throw error
}
