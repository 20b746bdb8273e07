import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse } from '../web/parse.ts'
import { findFile, type StoredFile } from './file-queries.ts'
import { isToken } from './keep.ts'
import { findPicture } from './queries.ts'
import { resizedAtCdn } from './resized.ts'
import { sendScreen } from './screen.ts'
import { fileName, originalBytes, sendStored, shownBytes } from './send.ts'
import { copyFormats, sendCopy } from './send-copy.ts'
import { sendThumbnail } from './unseen.ts'

const Copy = z.object({ format: z.enum(copyFormats) })

/** Picture bytes by their token, to their owner only; private, never changing, harmless when opened by themselves. */
export function fileRoutes(deps: Deps): Router {
  const router = Router()
  router.use('/files', requireSignIn(deps))

  router.get('/files/:token', async (req, res) => {
    const file = await myFile(req, res)
    const saveAs = await nameOf(req, res, file.format)
    await sendStored(deps, req, res, shownBytes(file, { saveAs }))
  })

  router.get('/files/:token/thumb', async (req, res) => {
    const file = await myFile(req, res)
    const elsewhere = await resizedAtCdn(deps, file)
    if (!elsewhere) return sendThumbnail(deps, req, res, file)
    // Not kept as long as the bytes: another address may be configured tomorrow.
    res.set('Cache-Control', 'private, max-age=300')
    res.status(307).location(elsewhere).end()
  })

  router.get('/files/:token/screen', async (req, res) => {
    await sendScreen(deps, req, res, await myFile(req, res))
  })

  router.get('/files/:token/original', async (req, res) => {
    const file = await myFile(req, res)
    const format = file.originalFormat
    if (!format) throw new Refusal(404, 'errors.not_found')
    const saveAs = (await nameOf(req, res, format)) ?? fileName('', { format })
    await sendStored(deps, req, res, originalBytes(file, saveAs))
  })

  /** A copy in another format; the file itself stays as it is. */
  router.get('/files/:token/copy', async (req, res) => {
    const file = await myFile(req, res)
    const { format } = parse(Copy, req.query)
    const saveAs = (await nameOf(req, res, format)) ?? fileName('', { format })
    await sendCopy(deps, res, file, { format, saveAs })
  })

  async function myFile(req: Request, res: Response): Promise<StoredFile> {
    const token = String(req.params.token)
    const file = isToken(token) ? await findFile(deps.db, signedIn(res).userId, token) : null
    if (!file) throw new Refusal(404, 'errors.not_found')
    return file
  }

  /** By the picture that `?download` names. */
  async function nameOf(req: Request, res: Response, format: string): Promise<string | undefined> {
    const { download } = req.query
    if (typeof download !== 'string') return undefined
    const id = z.guid().safeParse(download)
    const picture = id.success ? await findPicture(deps.db, signedIn(res).userId, id.data) : null
    return fileName(picture?.prompt ?? '', { condition: picture?.condition, format })
  }

  return router
}
