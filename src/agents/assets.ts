import { type Request, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { findFile, findOpenFile, type StoredFile } from '../library/file-queries.ts'
import { extensionOf } from '../library/formats.ts'
import { isToken } from '../library/keep.ts'
import { listPicturesOfFile } from '../library/queries.ts'
import { fileName, sendStored, shownBytes } from '../library/send.ts'
import { isStillSignedIn } from '../session/guard.ts'
import type { SignedIn } from '../session/queries.ts'
import { jsonErrors, onlyMethods } from './answers.ts'
import { Problem } from './problem.ts'
import { findBearerOf } from './sign-in.ts'

/**
 * Picture bytes at the addresses that the earlier product gave out: to the browser of their owner, to the owner's
 * scripts, and to anyone where the operator says so. Stands behind the session; what is refused is JSON all the same.
 */
export function assetRoutes(deps: Deps): Router {
  const { db, storage, config } = deps
  const router = Router()

  router.get('/assets/:token', async (req, res) => {
    const token = String(req.params.token)
    if (!isToken(token)) throw notThere()
    const open = config.publicAssets ? await findOpenFile(db, token) : null
    const file = open ?? (await fileOfReader(req, res, token))
    if (!file) throw notThere()
    if (open) res.removeHeader('Vary')
    else res.vary('Cookie')
    // Not with a bearer token: old clients would carry it to the other host.
    if (config.cdnBase && !req.get('Authorization') && (await storage.onlyInBucket(token))) {
      // Not kept as long as the bytes: another address may be configured tomorrow.
      res.set('Cache-Control', `${open ? 'public' : 'private'}, max-age=300`)
      return void res.status(307).location(`${config.cdnBase}/${token}`).end()
    }
    const saveAs = req.query.download === '1' ? await downloadName(file, req.query.filename) : undefined
    await sendStored(deps, req, res, shownBytes(file, { saveAs, readers: open ? 'anyone' : 'owner' }))
  })
  router.all('/assets/:token', onlyMethods('GET', 'HEAD'))
  router.use('/assets', jsonErrors(deps.log))
  return router

  async function fileOfReader(req: Request, res: Response, token: string): Promise<StoredFile | null> {
    const bearer = await findBearerOf(deps, req.get('Authorization'))
    const signedIn = res.locals.signedIn as SignedIn | undefined
    const owner = bearer?.userId ?? (signedIn && (await isStillSignedIn(deps, signedIn)) ? signedIn.userId : null)
    return owner === null ? null : findFile(db, owner, token)
  }

  async function downloadName(file: StoredFile, asked: Request['query'][string]): Promise<string> {
    const extension = extensionOf(file.format)
    const name =
      typeof asked === 'string' ? Array.from(asked.replaceAll(/\p{C}/gu, '').trim()).slice(0, 120).join('') : ''
    if (!name) {
      const [picture] = await listPicturesOfFile(db, file.userId, file.token)
      return fileName(picture?.prompt ?? '', { condition: picture?.condition, format: file.format })
    }
    // Saved as a page, the bytes of a picture might do something after all.
    const fits = file.format === 'jpeg' ? /\.jpe?g$/i : new RegExp(`\\.${extension}$`, 'i')
    return fits.test(name) ? name : `${name}.${extension}`
  }
}

function notThere(): Problem {
  return new Problem(404, 'not_found', 'errors.not_found')
}
