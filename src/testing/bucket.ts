import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { S3Config } from '../storage/storage.ts'

interface S3Server {
  run(): Promise<AddressInfo>
  close(): Promise<void>
  store: {
    putContent(file: string, content: Buffer | Readable): Promise<[size: number, md5: string]>
    putObject(object: { bucket: string; key: string }): Promise<unknown>
  }
}

export interface TestBucket {
  config: S3Config
  port: number
  stop(): Promise<void>
}

/**
 * An S3 server in this process with a bucket `pictures`; buckets are folders of `directory`. It checks signatures: key and
 * secret are both `S3RVER`. `isListed`: it does not, since it reckons that of a listing wrongly.
 */
export async function startBucket(directory: string, { isListed = false } = {}): Promise<TestBucket> {
  const S3rver = createRequire(import.meta.url)('@20minutes/s3rver') as new (options: object) => S3Server
  const bucket = 'pictures'
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    allowMismatchedSignatures: isListed,
    directory,
    configureBuckets: [{ name: bucket }],
  })
  makeWhole(server.store)
  const { port } = await server.run()
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
  const endpoint = `http://127.0.0.1:${port}`
  return {
    config: { endpoint, region: 'auto', bucket, ...credentials, isPublic: false, prefix: '' },
    port,
    stop: () => server.close(),
  }
}

/** As S3 itself, which this server writes to a file in place: an object is put whole or not at all, one after the other. */
function makeWhole(store: S3Server['store']): void {
  store.putContent = async (file, content) => {
    const draft = `${file}.${randomBytes(6).toString('hex')}`
    const md5 = createHash('md5')
    let size = 0
    const measured = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        md5.update(chunk)
        size += chunk.length
        yield chunk
      }
    }
    try {
      await pipeline(Buffer.isBuffer(content) ? Readable.from([content]) : content, measured, createWriteStream(draft))
      await rename(draft, file)
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
    return [size, md5.digest('hex')]
  }

  const putObject = store.putObject.bind(store)
  const last = new Map<string, Promise<unknown>>()
  store.putObject = object => {
    const name = `${object.bucket}/${object.key}`
    const put = (last.get(name) ?? Promise.resolve()).catch(() => undefined).then(() => putObject(object))
    last.set(name, put)
    return put
  }
}
