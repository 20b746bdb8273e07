import { pipeline } from 'node:stream/promises'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseRange } from '../web/range.ts'
import { isToken, thumbnailName } from './keep.ts'
import { findFile, findPicture, type StoredFile } from './queries.ts'

/** Picture bytes by their token, to their owner only; private, never changing, harmless when opened by themselves. */
export function fileRoutes(deps: Deps): Router {
  const router = Router()
  router.use('/files', requireSignIn(deps))

  router.get('/files/:token', async (req, res) => {
    const file = await myFile(req, res)
    const pictureId = req.query.download
    if (typeof pictureId === 'string') res.attachment(await downloadName(res, file, pictureId))
    res.type(`image/${file.format}`)
    await send(req, res, file.token, `"${file.sha256.toString('base64url')}"`)
  })

  router.get('/files/:token/thumb', async (req, res) => {
    const file = await myFile(req, res)
    res.type('image/webp')
    await send(req, res, thumbnailName(file.token), `"${file.sha256.toString('base64url')}-480"`)
  })

  async function myFile(req: Request, res: Response): Promise<StoredFile> {
    const token = String(req.params.token)
    const file = isToken(token) ? await findFile(deps.db, signedIn(res).userId, token) : null
    if (!file) throw new Refusal(404, 'errors.not_found')
    return file
  }

  async function send(req: Request, res: Response, name: string, etag: string): Promise<void> {
    res.set({
      'Cache-Control': 'private, max-age=31536000, immutable',
      ETag: etag,
      'Accept-Ranges': 'bytes',
      'Content-Security-Policy': "sandbox; default-src 'none'",
      'Cross-Origin-Resource-Policy': 'same-origin',
    })
    if (req.fresh) return void res.status(304).end()
    if (req.method === 'HEAD') return void res.set('Content-Length', String(await sizeOf(name))).end()
    // Only a part needs the size beforehand: for the whole the storage is asked once.
    const header = req.get('Range')
    const range = header ? parseRange(header, await sizeOf(name), req.get('If-Range'), etag) : null
    if (range === 'unsatisfiable') {
      res
        .status(416)
        .set('Content-Range', `bytes */${await sizeOf(name)}`)
        .end()
      return
    }
    const object = found(await deps.storage.open(name, range ?? undefined))
    const { start, end } = range ?? { start: 0, end: object.size - 1 }
    if (range) res.status(206).set('Content-Range', `bytes ${start}-${end}/${object.size}`)
    res.set('Content-Length', String(end - start + 1))
    await pipeline(object.stream, res).catch(error => {
      // The reader went away: nothing to answer, nothing to mend.
      if (!res.closed && !req.destroyed) throw error
    })
  }

  async function sizeOf(name: string): Promise<number> {
    return found(await deps.storage.head(name)).size
  }

  async function downloadName(res: Response, file: StoredFile, pictureId: string): Promise<string> {
    const id = z.guid().safeParse(pictureId)
    const picture = id.success ? await findPicture(deps.db, signedIn(res).userId, id.data) : null
    return `${fileStem(picture?.prompt ?? '')}.${file.format === 'jpeg' ? 'jpg' : file.format}`
  }

  return router
}

function found<T>(object: T | null): T {
  if (object === null) throw new Refusal(404, 'errors.not_found')
  return object
}

/** The first 48 characters of the prompt as a file name that every system takes. */
function fileStem(prompt: string): string {
  const words = prompt
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim()
  const stem = Array.from(words).slice(0, 48).join('').trim()
  return stem.replaceAll(' ', '-') || 'picture'
}
