import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { callbackify } from 'node:util'
import { crc32 } from 'node:zlib'
import yauzl from 'yauzl'
import type { Deps } from '../deps.ts'
import { StorageError } from '../storage/storage.ts'

/** As read from the directory of a ZIP that somebody else made: nothing of it is believed. */
export interface Entry {
  /** From 1, in the order of the directory. */
  number: number
  name: string
  isFolder: boolean
  /** Neither a link nor a device. */
  isPlain: boolean
  isEncrypted: boolean
  isReadable: boolean
  /** The length that it says it has. */
  bytes: number
  /** Up to `most` of its bytes. Throws `BadEntry`, and `StorageError`. */
  read(most: number): Promise<Buffer>
}

/** An entry that is not what the ZIP says of it. */
export class BadEntry extends Error {
  override readonly name = 'BadEntry'
  readonly reason: 'damaged' | 'too_large'

  constructor(reason: BadEntry['reason'], options?: ErrorOptions) {
    super(reason, options)
    this.reason = reason
  }
}

/** The file as a whole cannot be read, or from here on. */
export class BadZip extends Error {
  override readonly name = 'BadZip'
}

export interface OpenZip {
  /** How many there are to be, as it says. */
  count: number
  entries(): AsyncGenerator<Entry>
  close(): void
}

const LONGEST_NAME = 1000
const [STORED, DEFLATED] = [0, 8]
const KIND_OF_FILE = 0o170000
const PLAIN_FILE = 0o100000

/** Opens a ZIP that lies in the store, of which single ranges are read. Throws `BadZip` and `StorageError`. */
export async function openZip(deps: Pick<Deps, 'storage'>, object: string, size: number): Promise<OpenZip> {
  const reader = new StoredFile(deps, object, size)
  // Lengths are compared here: one that lies keeps no other entry from being read.
  const options = { decodeStrings: false, autoClose: false, validateEntrySizes: false }
  const open = () =>
    yauzl
      .fromRandomAccessReaderPromise(reader, size, options)
      .catch((error: unknown) => Promise.reject(asBadZip(error)))
  const first = await open()
  return {
    count: first.entryCount,
    close: () => first.close(),
    // Each walk reads the directory anew: it may be longer than what one wants to hold.
    async *entries() {
      const zip = await open()
      try {
        let number = 0
        for await (const entry of zip.eachEntry()) yield viewEntry(zip, entry, ++number)
      } catch (error) {
        throw asBadZip(error)
      } finally {
        zip.close()
      }
    },
  }
}

function asBadZip(error: unknown): unknown {
  return error instanceof StorageError || error instanceof BadEntry ? error : new BadZip('no ZIP', { cause: error })
}

function viewEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, number: number): Entry {
  const { generalPurposeBitFlag, fileNameRaw, extraFields } = entry
  const name = yauzl.getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, true)
  const mode = entry.externalFileAttributes >>> 16
  return {
    number,
    name: name.slice(0, LONGEST_NAME + 1),
    isFolder: name.endsWith('/'),
    isPlain: (mode & KIND_OF_FILE) === 0 || (mode & KIND_OF_FILE) === PLAIN_FILE,
    isEncrypted: entry.isEncrypted(),
    isReadable: entry.compressionMethod === STORED || entry.compressionMethod === DEFLATED,
    bytes: entry.uncompressedSize,
    read: most => read(zip, entry, most),
  }
}

/** Whether it could be meant as a path that leads out of where it is put, or to another machine or drive. */
export function isBadName(name: string): boolean {
  return (
    name === '' ||
    name.length > LONGEST_NAME ||
    /^[/~]|^[a-z]:|\\|\p{Cc}/iu.test(name) ||
    name.split('/').includes('..') ||
    !name.isWellFormed()
  )
}

async function read(zip: yauzl.ZipFile, entry: yauzl.Entry, most: number): Promise<Buffer> {
  if (entry.uncompressedSize > most) throw new BadEntry('too_large')
  const chunks: Buffer[] = []
  let [bytes, sum] = [0, 0]
  try {
    const stream = await zip.openReadStreamPromise(entry)
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length
      // It may unpack to a thousand times what it said.
      if (bytes > entry.uncompressedSize) throw new BadEntry('damaged')
      sum = crc32(chunk, sum)
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof StorageError || error instanceof BadEntry ? error : new BadEntry('damaged', { cause: error })
  }
  if (bytes !== entry.uncompressedSize || sum !== entry.crc32) throw new BadEntry('damaged')
  return Buffer.concat(chunks)
}

const BLOCK = 256 * 1024

/** Headers are small and lie side by side: they are read in blocks, of which the last two are kept. */
class StoredFile extends yauzl.RandomAccessReader {
  readonly #deps: Pick<Deps, 'storage'>
  readonly #object: string
  readonly #size: number
  #blocks: { at: number; bytes: Promise<Buffer> }[] = []

  constructor(deps: Pick<Deps, 'storage'>, object: string, size: number) {
    super()
    this.#deps = deps
    this.#object = object
    this.#size = size
  }

  override read(target: Buffer, offset: number, length: number, position: number, done: (error: Error | null) => void) {
    callbackify(() => this.#copy(target, offset, length, position))(done)
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#range(start, end), { objectMode: false })
  }

  async #copy(target: Buffer, offset: number, length: number, position: number): Promise<void> {
    if (position < 0 || position + length > this.#size) throw new RangeError('beyond the end of the file')
    for (let copied = 0; copied < length; ) {
      const at = Math.floor((position + copied) / BLOCK) * BLOCK
      const block = await this.#block(at)
      copied += block.copy(target, offset + copied, position + copied - at, position + length - at)
    }
  }

  #block(at: number): Promise<Buffer> {
    const known = this.#blocks.find(block => block.at === at)
    if (known) return known.bytes
    const bytes = buffer(this.#range(at, Math.min(at + BLOCK, this.#size)))
    this.#blocks = [{ at, bytes }, ...this.#blocks].slice(0, 2)
    return bytes
  }

  async *#range(start: number, end: number): AsyncGenerator<Buffer> {
    if (start < 0 || end > this.#size) throw new RangeError('beyond the end of the file')
    const found = await this.#deps.storage.open(this.#object, { start, end: end - 1 })
    if (!found) throw new RangeError('the file is gone')
    yield* found.stream as AsyncIterable<Buffer>
  }
}
