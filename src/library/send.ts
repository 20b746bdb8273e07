import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import type { Deps } from '../deps.ts'
import { guarded } from '../storage/errors.ts'
import { Refusal } from '../web/errors.ts'
import { parseRange } from '../web/range.ts'
import type { StoredFile } from './file-queries.ts'
import { contentTypeOf, extensionOf } from './formats.ts'
import { originalName, thumbnailName } from './keep.ts'
import type { Picture } from './queries.ts'

/** `guests`: as long as their owner shows it, which may end at any moment. */
export type Readers = 'owner' | 'anyone' | 'guests'

/** Stored bytes on their way to a reader. */
interface Sent {
  /** In the storage. */
  name: string
  contentType: string
  etag: string
  /** The name of the file that they are saved as; without one they are shown. */
  saveAs?: string | undefined
  readers?: Readers | undefined
}

/** The bytes of a file as they are shown; those that cannot be shown are saved. */
export function shownBytes(
  { token, format, sha256 }: StoredFile,
  { saveAs = format === 'bin' ? 'picture.bin' : undefined, readers }: Pick<Sent, 'saveAs' | 'readers'> = {},
): Sent {
  const etag = `"${sha256.toString('base64url')}"`
  return { name: token, contentType: contentTypeOf(format), etag, saveAs, readers }
}

/** The bytes as they came, where those that are shown are a copy made of them. Never shown: they may be of any kind, and half. */
export function originalBytes({ token, sha256, originalFormat }: StoredFile, saveAs: string): Sent {
  const etag = `"${sha256.toString('base64url')}-original"`
  return { name: originalName(token), contentType: contentTypeOf(originalFormat ?? 'bin'), etag, saveAs }
}

export function thumbnailBytes({ token, sha256 }: StoredFile, readers?: Readers): Sent {
  const etag = `"${sha256.toString('base64url')}-thumb"`
  return { name: thumbnailName(token), contentType: 'image/webp', etag, readers }
}

/**
 * Sends stored bytes: whole, a range of them, their headers alone, or 304. Whoever asks has been checked already. What says that
 * bytes follow is said when they are there: an outage is answered as what it is. Throws `Refusal` 404 when the storage has them no
 * more, and `StorageError`.
 */
export async function sendStored(
  deps: Pick<Deps, 'storage'>,
  req: Request,
  res: Response,
  { name, contentType, etag, saveAs, readers = 'owner' }: Sent,
): Promise<void> {
  const headers = { ...headersOf(etag, readers), 'Accept-Ranges': 'bytes' }
  // Bytes never change under their name: whoever has them need not wait for the storage.
  if (isFresh(req, res, etag)) return void res.status(304).set(headers).end()
  const announce = (length: number) => {
    if (saveAs) res.attachment(saveAs)
    res.type(contentType).set({ ...headers, 'Content-Length': String(length) })
  }
  if (req.method === 'HEAD') {
    announce(await sizeOf(deps, name))
    return void res.end()
  }
  // Only a part needs the size beforehand: for the whole the storage is asked once.
  const header = req.get('Range')
  const range = header ? parseRange(header, await sizeOf(deps, name), req.get('If-Range'), etag) : null
  if (range === 'unsatisfiable') {
    res
      .status(416)
      .set('Content-Range', `bytes */${await sizeOf(deps, name)}`)
      .end()
    return
  }
  const object = found(await deps.storage.open(name, range ?? undefined))
  const { start, end } = range ?? { start: 0, end: object.size - 1 }
  try {
    await guarded('read', () => once(object.stream, 'readable'))
    announce(end - start + 1)
    if (range) res.status(206).set('Content-Range', `bytes ${start}-${end}/${object.size}`)
    if (!res.closed) await pipeline(object.stream, res)
  } catch (error) {
    // The reader went away: nothing to answer, nothing to mend.
    if (!res.closed && !req.destroyed) throw error
  } finally {
    // A reader who left before the first byte leaves a stream that nobody reads to its end.
    object.stream.destroy()
  }
}

/** Sends bytes that are drawn of a stored picture when they are asked for: never again to who has them. */
export async function sendDrawn(
  req: Request,
  res: Response,
  { etag, readers = 'owner' }: Pick<Sent, 'etag' | 'readers'>,
  draw: () => Promise<Buffer>,
): Promise<void> {
  if (isFresh(req, res, etag)) return void res.status(304).set(headersOf(etag, readers)).end()
  const bytes = await draw()
  res.type('image/webp').set(headersOf(etag, readers)).send(bytes)
}

function headersOf(etag: string, readers: Readers) {
  return {
    'Cache-Control': cacheControl[readers],
    ETag: etag,
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'Cross-Origin-Resource-Policy': readers === 'owner' ? 'same-origin' : 'cross-origin',
  }
}

function isFresh(req: Request, res: Response, etag: string): boolean {
  res.set('ETag', etag)
  const { fresh } = req
  res.removeHeader('ETag')
  return fresh
}

// What everybody may see can be withdrawn, and has to be gone soon after.
const cacheControl: Record<Readers, string> = {
  owner: 'private, max-age=31536000, immutable',
  anyone: 'public, max-age=300',
  guests: 'private, no-cache',
}

/** What a picture is saved as: its prompt, its number where it is one of several, and what it is if it is not whole. */
export function fileName(
  prompt: string,
  {
    number,
    condition = 'whole',
    format,
  }: { number?: number; condition?: Picture['condition'] | undefined; format: string },
): string {
  const parts = [fileStem(prompt), number, condition === 'whole' ? undefined : condition]
  return `${parts.filter(part => part !== undefined).join('-')}.${extensionOf(format)}`
}

/** The first 48 characters of the prompt as a file name that every system takes. */
export function fileStem(prompt: string): string {
  const words = prompt
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim()
  const stem = Array.from(words).slice(0, 48).join('').trim()
  return stem.replaceAll(' ', '-') || 'picture'
}

async function sizeOf(deps: Pick<Deps, 'storage'>, name: string): Promise<number> {
  return found(await deps.storage.head(name)).size
}

function found<T>(object: T | null): T {
  if (object === null) throw new Refusal(404, 'errors.not_found')
  return object
}
