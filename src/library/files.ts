import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { isToken, thumbnailName } from './keep.ts'
import { findFile, findPicture, type StoredFile } from './queries.ts'
import { extensionOf, fileStem, sendStored } from './send.ts'

/** Picture bytes by their token, to their owner only; private, never changing, harmless when opened by themselves. */
export function fileRoutes(deps: Deps): Router {
  const router = Router()
  router.use('/files', requireSignIn(deps))

  router.get('/files/:token', async (req, res) => {
    const file = await myFile(req, res)
    const pictureId = req.query.download
    if (typeof pictureId === 'string') res.attachment(await downloadName(res, file, pictureId))
    res.type(`image/${file.format}`)
    await sendStored(deps, req, res, file.token, `"${file.sha256.toString('base64url')}"`)
  })

  router.get('/files/:token/thumb', async (req, res) => {
    const file = await myFile(req, res)
    res.type('image/webp')
    await sendStored(deps, req, res, thumbnailName(file.token), `"${file.sha256.toString('base64url')}-480"`)
  })

  async function myFile(req: Request, res: Response): Promise<StoredFile> {
    const token = String(req.params.token)
    const file = isToken(token) ? await findFile(deps.db, signedIn(res).userId, token) : null
    if (!file) throw new Refusal(404, 'errors.not_found')
    return file
  }

  async function downloadName(res: Response, file: StoredFile, pictureId: string): Promise<string> {
    const id = z.guid().safeParse(pictureId)
    const picture = id.success ? await findPicture(deps.db, signedIn(res).userId, id.data) : null
    return `${fileStem(picture?.prompt ?? '')}.${extensionOf(file.format)}`
  }

  return router
}
