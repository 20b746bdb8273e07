import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import { digest, NotAPicture, type NotAPictureReason, writeClean } from '../pixels/digest.ts'
import { endJpegFile } from '../pixels/salvage.ts'
import { findFileByHash, insertFile, type StoredFile } from './file-queries.ts'
import { storeNamed, thumbnailName } from './keep.ts'
import { hasRoomFor, storageLock } from './storage-limit.ts'

/** The gateway silently cuts longer files. */
export const UPLOAD_BYTES = 20 * 1024 * 1024

/** A file that cannot be used as a picture, and why. */
export class UploadRefused extends Error {
  readonly reason: NotAPictureReason | 'too_large' | 'no_room'

  constructor(reason: UploadRefused['reason'], options?: ErrorOptions) {
    super(`upload refused: ${reason}`, options)
    this.reason = reason
  }
}

// Decoding, which takes some 80 MB of a large picture, has bounds of its own: these wait for disks and stores.
const aFewAtATime = pLimit(4)

/**
 * Keeps a picture that its owner brought: PNG, JPEG or WebP of at most 20 MiB and 40 megapixels, checked by decoding it,
 * whatever it is called; a JPEG without its end marker is given one. Place, time and other metadata are removed and the orientation applied. Bytes that the owner
 * has already are kept once. What no picture or job needs within a day is deleted again. Throws `UploadRefused` and
 * `StorageError`.
 */
export async function keepUpload(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  userId: number,
  source: Buffer | Readable | { file: string },
): Promise<StoredFile> {
  const folder = await mkdtemp(path.join(tmpdir(), 'playground-upload-'))
  try {
    const received = 'file' in source ? source.file : await receive(source, path.join(folder, 'received'))
    return await aFewAtATime(async () => {
      const clean = path.join(folder, 'clean')
      const whole = await endJpegFile(received, path.join(folder, 'whole'))
      return store(deps, userId, (await writeClean(whole, clean)) ? clean : whole)
    })
  } catch (error) {
    throw error instanceof NotAPicture ? new UploadRefused(error.reason, { cause: error }) : error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function receive(source: Buffer | Readable, file: string): Promise<string> {
  let seen = 0
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length
      done(seen > UPLOAD_BYTES ? new UploadRefused('too_large') : null, chunk)
    },
  })
  await pipeline(source instanceof Readable ? source : Readable.from([source]), limit, createWriteStream(file))
  return file
}

async function store(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  userId: number,
  file: string,
): Promise<StoredFile> {
  const { size } = await stat(file)
  if (size > UPLOAD_BYTES) throw new UploadRefused('too_large')
  const { thumbnail, ...facts } = await digest(file, { edge: deps.config.thumbnailEdge })
  const sha256 = await hash(file)
  const known = await findFileByHash(deps.db, userId, sha256)
  if (known) return known
  // Before it is stored, and again when it is filed: others may come meanwhile.
  if (!(await hasRoomFor(deps, userId, size))) throw new UploadRefused('no_room')
  return storeNamed(
    deps,
    async token => {
      await Promise.all([
        deps.storage.put(token, { file, size }, { contentType: `image/${facts.format}` }),
        deps.storage.put(thumbnailName(token), thumbnail, { contentType: 'image/webp' }),
      ])
    },
    async (tx, token) => {
      await storageLock.wait(tx, userId)
      if (!(await hasRoomFor({ ...deps, db: tx }, userId, size))) throw new UploadRefused('no_room')
      const original = { originalFormat: null, originalBytes: null }
      return insertFile(tx, { token, userId, sha256, bytes: size, ...original, ...facts })
    },
  )
}

/**
 * The checksum that stored bytes would have, had somebody downloaded and brought them: without what files carry beside the picture. Null
 * while the store is away, and where it has none.
 */
export async function bareChecksum(deps: Pick<Deps, 'storage' | 'log'>, token: string): Promise<Buffer | null> {
  const folder = await mkdtemp(path.join(tmpdir(), 'playground-bare-'))
  try {
    const bytes = await deps.storage.read(token)
    if (!bytes) return null
    const [file, clean] = [path.join(folder, 'whole'), path.join(folder, 'clean')]
    await writeFile(file, bytes)
    return await hash((await writeClean(file, clean)) ? clean : file)
  } catch (error) {
    deps.log.warn({ err: error, token }, 'a picture could not be read to know it again')
    return null
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function hash(file: string): Promise<Buffer> {
  const sum = createHash('sha256')
  // One buffer: the chunks of a stream pile up as large as the file before they are collected.
  const buffer = Buffer.allocUnsafeSlow(256 * 1024)
  await using source = await open(file)
  for (;;) {
    const { bytesRead } = await source.read(buffer)
    if (bytesRead === 0) return sum.digest()
    sum.update(buffer.subarray(0, bytesRead))
  }
}
