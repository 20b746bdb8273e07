import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import type { Deps } from '../deps.ts'
import { Refusal } from '../web/errors.ts'
import { parseRange } from '../web/range.ts'
import type { StoredFile } from './queries.ts'

/**
 * Sends stored bytes: whole, a range of them, their headers alone, or 304. Whoever asks has been checked already; the
 * type is set by the caller. Throws `Refusal` 404 when the storage has them no more.
 */
export async function sendStored(
  deps: Pick<Deps, 'storage'>,
  req: Request,
  res: Response,
  name: string,
  etag: string,
  readers: 'owner' | 'anyone' = 'owner',
): Promise<void> {
  res.set({
    'Cache-Control': cacheControl[readers],
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'Cross-Origin-Resource-Policy': readers === 'owner' ? 'same-origin' : 'cross-origin',
  })
  if (req.fresh) return void res.status(304).end()
  if (req.method === 'HEAD') return void res.set('Content-Length', String(await sizeOf(deps, name))).end()
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
  if (range) res.status(206).set('Content-Range', `bytes ${start}-${end}/${object.size}`)
  res.set('Content-Length', String(end - start + 1))
  try {
    if (!res.closed) await pipeline(object.stream, res)
  } catch (error) {
    // The reader went away: nothing to answer, nothing to mend.
    if (!res.closed && !req.destroyed) throw error
  } finally {
    // A reader who left before the first byte leaves a stream that nobody reads to its end.
    object.stream.destroy()
  }
}

// What everybody may see can be withdrawn, and has to be gone soon after.
const cacheControl = { owner: 'private, max-age=31536000, immutable', anyone: 'public, max-age=300' }

/** The first 48 characters of the prompt as a file name that every system takes. */
export function fileStem(prompt: string): string {
  const words = prompt
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim()
  const stem = Array.from(words).slice(0, 48).join('').trim()
  return stem.replaceAll(' ', '-') || 'picture'
}

export function extensionOf(format: StoredFile['format']): string {
  return format === 'jpeg' ? 'jpg' : format
}

async function sizeOf(deps: Pick<Deps, 'storage'>, name: string): Promise<number> {
  return found(await deps.storage.head(name)).size
}

function found<T>(object: T | null): T {
  if (object === null) throw new Refusal(404, 'errors.not_found')
  return object
}
