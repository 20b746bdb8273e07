import { type Request, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { keepMaskAround } from '../images/masks.ts'
import { findPicture, hasArrived, type Picture } from '../library/queries.ts'
import { placed } from '../pixels/place.ts'
import { cutAndTurned } from '../pixels/turn.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render } from '../web/render.ts'
import { word } from '../web/words.ts'
import { offerEdit } from './ask.ts'
import { cropOf, readCrop, wholeOf } from './crop.ts'
import { backgroundOf, cutOutLimits, keepCutOut, readCutOut, viewBackground } from './cut-out.ts'
import { canvasFor, readExtend } from './extend.ts'
import { keepDerived } from './keep.ts'
import { markColors } from './marks.ts'
import { marksRoutes } from './marks-routes.ts'
import { sheetRoutes } from './sheet-routes.ts'
import { viewSource } from './source.ts'
import type { CutOutForm } from './view.ts'

/** Other pictures made of one's own, by arithmetic: nothing is paid, and the original stays. */
export function deriveRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const derives = createRateLimit(db, { name: 'derive', points: 60, seconds: 60, refusal: 'errors.rate_limited' })
  router.use(
    '/derive',
    requireSignIn(deps, ['x', 'y', 'width', 'height', ...markColors.map((_, at) => `words${at + 1}`)]),
  )

  router.use(sheetRoutes(deps))

  router.get('/derive/:id/crop', async (req, res) => {
    const picture = await mySource(req, res)
    render(res, 'derive/crop', { source: viewSource(picture), values: wholeOf(picture), sentence: null })
  })

  router.post('/derive/:id/crop', async (req, res) => {
    const picture = await mySource(req, res)
    const values = readCrop(req.body)
    const crop = cropOf(values, picture)
    if ('fault' in crop) {
      const sentence = word(pageOf(res).t, crop.fault)
      return render(res.status(422), 'derive/crop', { source: viewSource(picture), values, sentence })
    }
    await derives.consume(String(picture.userId))
    const id = await keepDerived(deps, picture, async original => ({
      bytes: await cutAndTurned(original, crop),
      derived: crop,
    }))
    res.redirect(303, `/library/${id}`)
  })

  router.get('/derive/:id/cut-out', async (req, res) => {
    const picture = await mySource(req, res)
    await showCutOut(res, picture, readCutOut({}), null)
  })

  router.post('/derive/:id/cut-out', async (req, res) => {
    const picture = await mySource(req, res)
    const values = readCutOut(req.body)
    await derives.consume(String(picture.userId))
    const id = await keepCutOut(deps, picture, values)
    if (id) return res.redirect(303, `/library/${id}`)
    await showCutOut(res.status(422), picture, values, pageOf(res).t('derive.cut_out.numbers', cutOutLimits))
  })

  /** Nothing is paid here: the edit stands in the form of Create, with its price. */
  router.post('/derive/:id/cut-out/ask', async (req, res) => {
    const picture = await mySource(req, res)
    const { unlike } = await backgroundOf(deps, picture)
    const prompt = pageOf(res).t('derive.cut_out.prompt', { color: unlike })
    await offerEdit(deps, picture.userId, { prompt, references: [picture.token], mask: '', size: picture })
    res.redirect(303, '/images')
  })

  async function showCutOut(
    res: Response,
    picture: Picture,
    values: CutOutForm,
    sentence: string | null,
  ): Promise<void> {
    const background = await viewBackground(deps, picture)
    render(res, 'derive/cut-out', { source: viewSource(picture), background, values, limits: cutOutLimits, sentence })
  }

  router.get('/derive/:id/extend', async (req, res) => {
    const picture = await mySource(req, res)
    render(res, 'derive/extend', { source: viewSource(picture), values: readExtend({}), sentence: null })
  })

  /** Nothing is paid here, either. */
  router.post('/derive/:id/extend', async (req, res) => {
    const picture = await mySource(req, res)
    const values = readExtend(req.body)
    const canvas = canvasFor(values, picture)
    if ('fault' in canvas) {
      const sentence = word(pageOf(res).t, canvas.fault)
      return render(res.status(422), 'derive/extend', { source: viewSource(picture), values, sentence })
    }
    await derives.consume(String(picture.userId))
    const { size, at } = canvas
    const id = await keepDerived(deps, picture, async original => ({
      bytes: await placed(original, size, at, picture.color),
      derived: { did: 'extend', ...at, canvas: size },
    }))
    const made = await findPicture(db, picture.userId, id)
    if (!made) throw new Refusal(404, 'errors.not_found')
    const mask = await keepMaskAround(deps, picture.userId, size, at)
    const prompt = pageOf(res).t('derive.extend.prompt', { prompt: picture.prompt }).trim()
    await offerEdit(deps, picture.userId, { prompt, references: [made.token], mask, size })
    res.redirect(303, '/images')
  })

  router.use(marksRoutes(deps, mySource, ({ userId }) => derives.consume(String(userId))))

  /** Of a picture that came and can be shown; what is in the trash is restored first. */
  async function mySource(req: Request, res: Response): Promise<Picture> {
    const picture = await findPicture(db, signedIn(res).userId, parseId(req.params.id))
    if (!picture || picture.deletedAt || !hasArrived(picture)) throw new Refusal(404, 'errors.not_found')
    return picture
  }

  return router
}
