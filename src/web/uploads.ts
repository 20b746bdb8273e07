import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { callbackify, promisify } from 'node:util'
import type { Request, RequestHandler, Response } from 'express'
import multer, { MulterError, type StorageEngine } from 'multer'
import { storable, storableFields } from '../db/storable.ts'
import { Refusal } from './errors.ts'
import { binarySize } from './text.ts'

/** A file that came with a form, for the time of the request. */
export interface Upload {
  /** As the sender calls it: to be shown, never to be believed. */
  name: string
  /** Where its bytes are; null when there were more than the limit. */
  file: string | null
}

interface UploadLimits {
  files: number
  /** Of one file. */
  bytes: number
  /** Of all that is not a file; 5 MiB, 4 of it for one field, if not given. */
  text?: number
  /** Where files lie for the time of the request; in the system's folder for temporary ones if not given. */
  folder?: string
  /** What is said of a body that is too long, where that is not a matter of how many files there are. */
  tooMuch?: () => Refusal
}

/** Its types do not know that option yet. */
type MulterOptions = multer.Options & { streamHandler: typeof readFields }

/** More than any field may hold: one that is too long is told its own limit. */
const FIELD_BYTES = 4 * 1024 * 1024
const FORM_BYTES = 5 * 1024 * 1024
const POLITE_BYTES = 64 * 1024 * 1024
/** Files that nobody keeps have to come by before what was typed below them. */
const LONGEST_LEFT_FORM = 256 * 1024 ** 2

/**
 * Reads a `multipart/form-data` body: fields into `req.body`, as the parser of ordinary forms does, and files into a
 * temporary folder that goes with the request, whatever becomes of it; `uploadsOf` gives them. A file that is too long
 * is noted rather than refused here, so that the others are not lost. Throws `Refusal` 400 and 413.
 */
export function acceptUploads(limits: UploadLimits): RequestHandler {
  const { text = FORM_BYTES } = limits
  const most = limits.files * limits.bytes + text
  const options: MulterOptions = {
    storage: temporaryFiles(limits.bytes, most, limits.folder ?? tmpdir()),
    defParamCharset: 'utf8',
    limits: {
      files: limits.files,
      fields: 200,
      parts: 250,
      fieldSize: limits.text ?? FIELD_BYTES,
      fieldNestingDepth: 0,
    },
    streamHandler: (req, parser) => readFields(req, parser, text),
  }
  const read = multer(options).any()

  return async (req, res, next) => {
    if (!req.is('multipart/form-data')) return next()
    const excess = Number(req.get('Content-Length') ?? 0) - most
    if (excess > 0) {
      // Who is not read to the end hears no answer; who sends far too much need not.
      if (excess < POLITE_BYTES) await finished(req.resume()).catch(() => undefined)
      else res.set('Connection', 'close')
      throw limits.text ? tooMuchText(limits) : tooMuch(limits)
    }
    res.once('close', () => void discard(req))
    read(req, res, error => {
      if (req.body) storableFields(req.body as Record<string, unknown>)
      next(error && errorOf(error, limits))
    })
  }
}

const fieldsOnly: MulterOptions = {
  fileFilter: (_req, _file, done) => done(null, false),
  defParamCharset: 'utf8',
  limits: { fields: 200, parts: 250, fieldSize: FIELD_BYTES, fieldNestingDepth: 0 },
  streamHandler: readFields,
}
const readFieldsOnly = promisify(multer(fieldsOnly).any())

/**
 * Reads the fields of a form that is not going to be taken, files and all, into `req.body`, unless somebody has. What is
 * too long, or no form, is left unread.
 */
export async function acceptFields(req: Request, res: Response): Promise<void> {
  const isUnread = req.body === undefined && req.is('multipart/form-data')
  if (!isUnread || !(Number(req.get('Content-Length')) <= LONGEST_LEFT_FORM)) return
  await readFieldsOnly(req, res).catch(() => undefined)
}

/** Fields are kept in memory: multer counts each of them, but not all together. */
function readFields(req: Request, parser: Writable, most: number): void {
  let length = 0
  parser.on('field', (name: string, value: string) => {
    length += Buffer.byteLength(name) + Buffer.byteLength(value)
    if (length > most) parser.destroy(new MulterError('LIMIT_FIELD_VALUE'))
  })
  req.pipe(parser)
}

/** The files of the field `name`, in the order in which they came. */
export function uploadsOf(req: Request, name: string): Upload[] {
  const files = Array.isArray(req.files) ? req.files : []
  return files
    .filter(file => file.fieldname === name)
    .map(({ originalname, path: file }) => ({ name: storable(originalname), file }))
}

const folders = new WeakMap<Request, Promise<string>>()

function temporaryFiles(limit: number, most: number, parent: string): StorageEngine {
  const total = new WeakMap<Request, number>()
  return {
    _handleFile(req, file, done) {
      const count = (bytes: number) => {
        total.set(req, (total.get(req) ?? 0) + bytes)
        // A body of unknown length: there is no use in reading on.
        if (total.get(req)! > most) req.destroy()
      }
      callbackify(receive)(req, file.stream, { limit, parent, count }, (error, info) =>
        done(error, info as Partial<Express.Multer.File>),
      )
    },
    // The folder goes as a whole.
    _removeFile: (_req, _file, done) => done(null),
  }
}

let number = 0

async function receive(
  req: Request,
  source: Readable,
  { limit, parent, count }: { limit: number; parent: string; count: (bytes: number) => void },
): Promise<{ path: string | null; size: number }> {
  if (!folders.has(req)) folders.set(req, mkdtemp(path.join(parent, 'playground-upload-')))
  const file = path.join(await folders.get(req)!, String(++number))
  const target = createWriteStream(file, { mode: 0o600 })
  const written = finished(target)
  let size = 0
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      size += chunk.length
      count(chunk.length)
      if (size > limit) continue
      if (!target.write(chunk)) await Promise.race([once(target, 'drain'), written])
    }
    target.end()
    await written
  } catch (error) {
    target.destroy()
    await written.catch(() => undefined)
    throw error
  }
  if (size <= limit) return { path: file, size }
  await rm(file, { force: true })
  return { path: null, size }
}

async function discard(req: Request): Promise<void> {
  const folder = await folders.get(req)
  if (folder) await rm(folder, { recursive: true, force: true })
}

function errorOf(error: unknown, limits: UploadLimits): unknown {
  const code = error instanceof MulterError ? error.code : ''
  if (code === 'LIMIT_FILE_COUNT') return tooMuch(limits)
  if (code === 'LIMIT_FIELD_VALUE' || code === 'LIMIT_FIELD_COUNT' || code === 'LIMIT_PART_COUNT') {
    return tooMuchText(limits)
  }
  // The temporary folder is full or gone: not the sender's mistake.
  if (error instanceof Error && 'syscall' in error && 'path' in error) return error
  // Whatever is wrong with the body; multer throws plain errors for it.
  return new Refusal(400, 'errors.bad_request')
}

function tooMuchText({ text = FIELD_BYTES }: UploadLimits): Refusal {
  return new Refusal(413, 'errors.too_large_for', { size: binarySize(text) })
}

function tooMuch({ files, bytes, tooMuch }: UploadLimits): Refusal {
  if (tooMuch) return tooMuch()
  return new Refusal(413, 'errors.too_many_files', { files, size: binarySize(bytes) })
}
