import { pipeline } from 'node:stream/promises'
import { type Request, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseRange } from '../web/range.ts'
import { thumbnailName } from './keep.ts'
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
    const file = await findFile(deps.db, signedIn(res).userId, String(req.params.token))
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
    const size = (await deps.storage.head(name))?.size
    if (size === undefined) throw new Refusal(404, 'errors.not_found')
    const range = parseRange(req.get('Range'), size, req.get('If-Range'), etag)
    if (range === 'unsatisfiable') {
      res.status(416).set('Content-Range', `bytes */${size}`).end()
      return
    }
    const { start, end } = range ?? { start: 0, end: size - 1 }
    if (range) res.status(206).set('Content-Range', `bytes ${start}-${end}/${size}`)
    res.set('Content-Length', String(end - start + 1))
    if (req.method === 'HEAD') return void res.end()
    const object = await deps.storage.open(name, range ?? undefined)
    if (!object) throw new Refusal(404, 'errors.not_found')
    await pipeline(object.stream, res).catch(error => {
      // The reader went away: nothing to answer, nothing to mend.
      if (!res.closed && !req.destroyed) throw error
    })
  }

  async function downloadName(res: Response, file: StoredFile, pictureId: string): Promise<string> {
    const isId = /^[0-9a-f-]{36}$/.test(pictureId)
    const picture = isId ? await findPicture(deps.db, signedIn(res).userId, pictureId) : null
    return `${fileStem(picture?.prompt ?? '')}.${file.format === 'jpeg' ? 'jpg' : file.format}`
  }

  return router
}

/** The beginning of the prompt as a file name that every system takes. */
function fileStem(prompt: string): string {
  const stem = prompt
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .slice(0, 48)
    .trim()
  return stem.replaceAll(' ', '-') || 'picture'
}
