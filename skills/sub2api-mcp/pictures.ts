import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Failure, Unreachable } from './failure.ts'

const LARGEST_REFERENCE = 20 * 1024 * 1024
// Base64 and the JSON around it must fit in the 64 MiB that the server reads.
const LARGEST_TOGETHER = 47 * 1024 * 1024
const extensions = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' }
type MimeType = keyof typeof extensions

/** The pictures as the API takes them. Only what begins like a picture leaves this machine. Throws `Failure`. */
export async function readReferences(files: readonly string[]) {
  const references: { name: string; mime_type: MimeType; data_url: string }[] = []
  let total = 0
  for (const file of files) {
    const content = await readReference(file)
    total += content.length
    if (total > LARGEST_TOGETHER) throw new Failure('The references are too large together: at most 47 MiB')
    const mimeType = typeOf(content)
    if (!mimeType) throw new Failure(`The reference ${file} is not a PNG, JPEG or WebP picture`)
    const dataUrl = `data:${mimeType};base64,${content.toString('base64')}`
    references.push({ name: path.basename(file), mime_type: mimeType, data_url: dataUrl })
  }
  return references
}

async function readReference(file: string): Promise<Buffer> {
  try {
    await using handle = await open(fullPath(file))
    const facts = await handle.stat()
    if (!facts.isFile()) throw new Failure(`The reference ${file} is not a file`)
    if (facts.size > LARGEST_REFERENCE) throw new Failure(`The reference ${file} is larger than 20 MiB`)
    return await handle.readFile()
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(`The reference ${file} cannot be read: ${codeOf(error)}`, { cause: error })
  }
}

/** The folder, made if it is not there. Throws `Failure`. */
export async function prepareFolder(folder: string): Promise<string> {
  const full = fullPath(folder)
  try {
    await mkdir(full, { recursive: true })
    return full
  } catch (error) {
    throw new Failure(`The folder ${full} cannot be made: ${codeOf(error)}`, { cause: error })
  }
}

/** Writes a picture as `<name>.<its extension>`, whole or not at all. Throws `Failure`. */
export async function savePicture(
  answer: Response,
  folder: string,
  name: string,
): Promise<{ file: string; mimeType: MimeType }> {
  const mimeType = answer.headers.get('Content-Type')?.split(';')[0] ?? ''
  if (!isPictureType(mimeType) || !answer.body) throw new Failure('The server sent something that is not a picture')
  const file = path.join(folder, `${name}.${extensions[mimeType]}`)
  const draft = path.join(folder, `.${randomBytes(6).toString('hex')}.part`)
  try {
    await pipeline(answer.body, createWriteStream(draft, { flags: 'wx' }))
    await using handle = await open(draft)
    const { buffer } = await handle.read(Buffer.alloc(16), 0, 16, 0)
    if (typeOf(buffer) !== mimeType) throw new Failure('The server sent something that is not a picture')
    await rename(draft, file)
    return { file, mimeType }
  } catch (error) {
    if (error instanceof Failure) throw error
    if (error instanceof Error && 'syscall' in error && 'path' in error) {
      throw new Failure(`Nothing can be written to ${folder}: ${codeOf(error)}`, { cause: error })
    }
    throw new Unreachable('The connection broke in the middle of a picture', { passing: true, arrived: true })
  } finally {
    await rm(draft, { force: true })
  }
}

function fullPath(given: string): string {
  return path.resolve(given.replace(/^~(?=\/|$)/, homedir()))
}

function isPictureType(mimeType: string): mimeType is MimeType {
  return mimeType in extensions
}

function typeOf(content: Buffer): MimeType | null {
  if (content.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n') return 'image/png'
  if (content.subarray(0, 3).toString('latin1') === '\xff\xd8\xff') return 'image/jpeg'
  const isWebp = content.subarray(0, 4).toString() === 'RIFF' && content.subarray(8, 12).toString() === 'WEBP'
  return isWebp ? 'image/webp' : null
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'it did not work'
}
