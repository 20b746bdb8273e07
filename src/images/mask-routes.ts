import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { findFile, type StoredFile } from '../library/file-queries.ts'
import { isToken } from '../library/keep.ts'
import { viewPicture } from '../library/picture-view.ts'
import { findPicture, type Picture } from '../library/queries.ts'
import { paintedSize } from '../pixels/mask.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { acceptUploads, uploadsOf } from '../web/uploads.ts'
import { word } from '../web/words.ts'
import { findDraft, upsertDraft } from './draft-queries.ts'
import { viewMask, viewReference } from './job-view.ts'
import { findMask } from './mask-queries.ts'
import { inShapeOf, keepMask, maskLimits } from './masks.ts'
import { keepMasked } from './paste-masked.ts'
import { readForm } from './prompt.ts'

const text = z.string().max(64).catch('')
const MaskForm = z.object({ x: text, y: text, width: text, height: text, base: z.guid().catch('') })

/** What of the first reference may change: painted, or a rectangle by numbers; and to keep the rest of a result as it was. */
export function maskRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const composes = createRateLimit(db, { name: 'compose', points: 30, seconds: 60, refusal: 'errors.rate_limited' })
  const masks = createRateLimit(db, { name: 'mask', points: 120, seconds: 60, refusal: 'errors.rate_limited' })

  router.get('/images/masks/new', async (req, res) => {
    const reference = await myReference(res, req.query.reference)
    render(res, 'images/mask', {
      reference: viewReference(reference),
      painted: paintedSize(reference),
      mask: await maskFor(reference, req.query.mask),
      values: { x: '', y: '', width: '', height: '' },
      sentence: null,
    })
  })

  router.post('/images/masks', acceptUploads(maskLimits), async (req, res) => {
    const { userId } = signedIn(res)
    const reference = await myReference(res, req.body?.reference)
    await masks.consume(String(userId))
    const form = MaskForm.parse(req.body)
    const [upload = null] = uploadsOf(req, 'file')
    const kept = await keepMask(deps, reference, { ...form, upload })
    if ('fault' in kept) return answerWrong(req, res, reference, form, word(pageOf(res).t, kept.fault))
    const draft = readForm(await findDraft(db, userId))
    const others = draft.references.filter(token => token !== reference.token)
    const values = { ...draft, references: [reference.token, ...others], mask: kept.id }
    const shaped = inShapeOf(reference, values)
    await upsertDraft(db, userId, shaped, null)
    const next = shaped === values ? '/images' : '/images?shaped=on'
    if (!wantsFragment(req)) return res.redirect(303, next)
    res.set('HX-Redirect', next).status(204).end()
  })

  router.get('/images/masks/:id', async (req, res) => {
    const mask = await findMask(db, signedIn(res).userId, parseId(req.params.id))
    if (!mask) throw new Refusal(404, 'errors.not_found')
    res.set({ 'Cache-Control': 'private, max-age=31536000, immutable', 'Content-Security-Policy': 'sandbox' })
    res.type('png').send(mask.bytes)
  })

  // Under the picture's address, but with the mask of its job.
  router.post('/images/pictures/:id/keep-masked', async (req, res) => {
    const result = await myPicture(res, parseId(req.params.id))
    await composes.consume(String(result.userId))
    const id = await keepMasked(deps, result)
    if (!wantsFragment(req)) return res.redirect(303, `/library/${id}`)
    const picture = viewPicture(await myPicture(res, id))
    sendFragments(res, renderView(pageOf(res), 'library/_tile', { picture }))
  })

  async function myPicture(res: Response, id: string): Promise<Picture> {
    const picture = await findPicture(db, signedIn(res).userId, id)
    if (!picture) throw new Refusal(404, 'errors.not_found')
    return picture
  }

  async function answerWrong(
    req: Request,
    res: Response,
    reference: StoredFile,
    form: z.output<typeof MaskForm>,
    sentence: string,
  ): Promise<void> {
    res.status(422)
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'images/_mask_error', { sentence }))
    const { x, y, width, height } = form
    render(res, 'images/mask', {
      reference: viewReference(reference),
      painted: paintedSize(reference),
      mask: await maskFor(reference, form.base),
      values: { x, y, width, height },
      sentence,
    })
  }

  async function myReference(res: Response, token: unknown): Promise<StoredFile> {
    const known = typeof token === 'string' && isToken(token)
    const file = known ? await findFile(db, signedIn(res).userId, token) : null
    if (!file || file.format === 'bin') throw new Refusal(404, 'errors.not_found')
    return file
  }

  /** The mask with this id, if it is one of this person over a picture of that size. */
  async function maskFor({ userId, width, height }: StoredFile, id: unknown) {
    const known = z.guid().safeParse(id)
    const mask = known.success ? await findMask(db, userId, known.data) : null
    return mask && mask.width === width && mask.height === height ? viewMask(mask) : null
  }

  return router
}
