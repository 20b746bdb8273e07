import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Request } from 'express'
import { UPLOAD_BYTES } from '../library/uploads.ts'
import { binarySize } from '../web/text.ts'
import { BadBase64 } from '../wire/base64.ts'
import { growingBytes } from '../wire/growing-bytes.ts'
import { type PictureScanner, pictureScanner } from '../wire/picture-scanner.ts'
import { Problem } from './problem.ts'

const BODY_BYTES = 64 * 1024 * 1024
/** Of all but pictures: more than a prompt may have, so that one that is too long is told its limit. */
const TEXT_BYTES = 4 * 1024 * 1024
const MOST_PICTURES = 64
// More than any one chunk of a request decodes to.
const PENDING_BYTES = 8 * 1024 * 1024
// Who sends more than this after the limit is no client that waits for an answer.
const POLITE_BYTES = 512 * 1024 * 1024

/** A JSON body whose pictures went to files. */
export interface TaskBody {
  /** Of every data URL there is left its number. */
  content: unknown
  /** The bytes of the data URL with this number: a file, or null when they were more than 20 MiB. */
  files: readonly (string | null)[]
  /** SHA-256 of the body as it came, but for its byte order mark. */
  hash: Buffer
}

/**
 * Reads a body of at most 64 MiB while it arrives: data URLs are decoded into temporary files, which go when `use` is
 * over. A body over the limit is read to its end all the same, so that its sender hears the answer. Throws `Problem`
 * 400 and 413, and what `use` throws.
 */
export async function withTaskBody<T>(req: Request, use: (body: TaskBody) => Promise<T>): Promise<T> {
  refuseEncoded(req)
  const folder = await mkdtemp(path.join(tmpdir(), 'playground-task-'))
  const pictures = pictureFiles(folder)
  const scanner = pictureScanner(new Set(), limits, { addressKeys, spill: pictures.take })
  const hash = createHash('sha256')
  let length = 0
  let refusal: Problem | null = null
  try {
    for await (const chunk of withoutMark(chunksOf(req))) {
      length += chunk.length
      if (length > BODY_BYTES) refusal = tooLarge(BODY_BYTES)
      refusal ??= await read(chunk, scanner, hash, pictures.write)
      if (length > POLITE_BYTES) req.destroy()
    }
    if (refusal) throw refusal
    const content = parseWhole(scanner)
    await pictures.close()
    return await use({ content, files: pictures.files(), hash: hash.digest() })
  } finally {
    await pictures.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Reads a small body as text. Throws `Problem` 400 and 413. */
export async function readText(req: Request, most: number): Promise<string> {
  refuseEncoded(req)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of chunksOf(req)) {
    length += chunk.length
    if (length <= most) chunks.push(chunk)
    if (length > POLITE_BYTES) req.destroy()
  }
  if (length > most) throw tooLarge(most)
  return Buffer.concat(chunks).toString('utf8')
}

// Whoever writes it otherwise is told so, however large the picture is.
const addressKeys = { has: (name: string) => name.toLowerCase() === 'data_url' }
const limits = { picture: BODY_BYTES, pictures: MOST_PICTURES, text: TEXT_BYTES }

async function read(
  chunk: Buffer,
  scanner: PictureScanner,
  hash: Hash,
  write: () => Promise<void>,
): Promise<Problem | null> {
  hash.update(chunk)
  try {
    scanner.write(chunk)
    if (scanner.state === 'broken') return notJson()
  } catch (error) {
    if (error instanceof RangeError) return tooLarge(TEXT_BYTES)
    if (error instanceof BadBase64) return new Problem(400, 'invalid_request', 'agents.invalid.base64')
    throw error
  }
  await write()
  return null
}

function parseWhole(scanner: PictureScanner): unknown {
  if (scanner.state !== 'whole') throw notJson()
  try {
    return scanner.parse()
  } catch (cause) {
    if (cause instanceof SyntaxError) throw notJson()
    throw cause
  }
}

/** What arrives of pictures, one file each; a picture that is too long leaves none. */
function pictureFiles(folder: string) {
  // One buffer for all that is to be written: a new one each time would pile up until the next garbage collection.
  const waiting = growingBytes(PENDING_BYTES, 128 * 1024)
  const parts: { index: number; start: number; end: number }[] = []
  const sizes: number[] = []
  const opened = new Map<number, FileHandle>()
  const fileOf = (index: number) => path.join(folder, String(index))
  return {
    take(index: number, bytes: Buffer): void {
      sizes[index] = (sizes[index] ?? 0) + bytes.length
      if (sizes[index] > UPLOAD_BYTES) return
      parts.push({ index, start: waiting.length, end: waiting.length + bytes.length })
      waiting.append(bytes)
    },
    async write(): Promise<void> {
      for (const { index, start, end } of parts.splice(0)) {
        const file = opened.get(index) ?? (await open(fileOf(index), 'w', 0o600))
        opened.set(index, file)
        await file.appendFile(waiting.view(start).subarray(0, end - start))
      }
      waiting.truncate(0)
    },
    async close(): Promise<void> {
      for (const file of opened.values()) await file.close()
      opened.clear()
    },
    files: () => Array.from(sizes, (size, index) => (size <= UPLOAD_BYTES ? fileOf(index) : null)),
  }
}

/**
 * Reads what is left of a body that nobody will use: many clients listen only when they have sent all of it, and would
 * see a broken connection instead of the answer.
 */
export async function hearOut(req: Request): Promise<void> {
  if (req.complete || req.destroyed) return
  let length = 0
  try {
    for await (const chunk of chunksOf(req)) {
      length += chunk.length
      if (length > POLITE_BYTES) req.destroy()
    }
  } catch (error) {
    // The sender has left, or was sent away.
    if (!(error instanceof Problem)) throw error
  }
}

const byteOrderMark = Buffer.from('\ufeff')

/** Some shells put the mark before all that they write. */
async function* withoutMark(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let beginning: Buffer | null = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (!beginning) {
      yield chunk
      continue
    }
    beginning = Buffer.concat([beginning, chunk])
    if (beginning.length < byteOrderMark.length) continue
    const isMarked = beginning.subarray(0, byteOrderMark.length).equals(byteOrderMark)
    yield beginning.subarray(isMarked ? byteOrderMark.length : 0)
    beginning = null
  }
  if (beginning && beginning.length > 0) yield beginning
}

async function* chunksOf(req: Request): AsyncGenerator<Buffer> {
  try {
    yield* req as AsyncIterable<Buffer>
  } catch {
    // The sender went away: nobody hears the answer.
    throw new Problem(400, 'invalid_request', 'agents.invalid.body')
  }
}

function refuseEncoded(req: Request): void {
  const encoding = req.get('Content-Encoding') ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') throw new Problem(415, 'invalid_request', 'agents.invalid.encoding')
}

function notJson(): Problem {
  return new Problem(400, 'invalid_request', 'agents.invalid.json')
}

function tooLarge(limit: number): Problem {
  return new Problem(413, 'too_large', 'errors.too_large_for', { params: { size: binarySize(limit) } })
}
