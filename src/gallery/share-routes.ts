import { type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import type { Picture } from '../library/queries.ts'
import { Selected, selectedIds } from '../library/selected.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, wantsFragment } from '../web/render.ts'
import { deleteExhibit, deleteExhibits, findExhibitor, listOfPictures } from './queries.ts'
import { lifetimes, MOST_PICTURES, share, showable } from './share.ts'
import type { ShareForm } from './view.ts'

/** Which pictures: those named one by one, or what is selected in the library. */
const Wanted = Selected.extend({
  picture: z
    .union([z.string(), z.array(z.string())])
    .transform(ids => [ids].flat())
    .default([]),
})
const Form = z.object({
  where: z.enum(['gallery', 'link']).catch('gallery'),
  prompt: z.literal('on').optional().catch(undefined),
  settings: z.literal('on').optional().catch(undefined),
  name: z.string().max(10_000).catch(''),
  ends: z
    .string()
    .refine(ends => ends in lifetimes)
    .catch('week'),
  agreed: z.literal('on').optional().catch(undefined),
})

interface ToShare {
  pictures: readonly Picture[]
  /** How many that were chosen cannot be shown. */
  left: number
}

const PICTURES_SHOWN = 24

/** Showing pictures, and taking them back. */
export function shareRoutes(deps: Deps, isPerson: RequestHandler): Router {
  const { db } = deps
  const router = Router()
  const shares = createRateLimit(db, {
    name: 'share',
    points: 5 * MOST_PICTURES,
    seconds: 3600,
    refusal: 'errors.rate_limited',
  })

  router.get('/gallery/share', isPerson, async (req, res) => {
    const wanted = await wantedOf(res, { picture: req.query.picture })
    await showNewForm(res, wanted, req.query.where === 'link' ? 'link' : 'gallery')
  })

  /** What is selected may be more than an address can name. */
  router.post('/gallery/share/selection', isPerson, async (req, res) => {
    await showNewForm(res, await wantedOf(res, req.body), 'gallery')
  })

  router.post('/gallery/share', isPerson, async (req, res) => {
    const who = signedIn(res)
    const form = Form.safeParse(req.body ?? {})
    const wanted = await wantedOf(res, req.body)
    const { pictures } = wanted
    const values: ShareForm['values'] = {
      where: form.data?.where ?? 'gallery',
      prompt: form.data?.prompt === 'on',
      settings: form.data?.settings === 'on',
      name: (form.data?.name ?? '').trim().replaceAll(/\s+/g, ' ').toWellFormed(),
      ends: form.data?.ends ?? 'week',
      agreed: form.data?.agreed === 'on',
    }
    await shares.consume(String(who.userId), Math.max(1, pictures.length))
    const done = await share(deps, who, pictures, values)
    if ('field' in done) {
      const sentence = pageOf(res).t(done.key, done.params ?? {})
      return showForm(res.status(422), wanted, values, { [done.field]: sentence })
    }
    const [id, ...more] = done.ids
    const room = values.where === 'gallery' ? 'gallery' : 'shared'
    res.redirect(303, more.length > 0 ? '/gallery/mine' : `/${room}/${id}`)
  })

  router.post('/gallery/mine/withdraw', isPerson, async (_req, res) => {
    await deleteExhibits(db, signedIn(res).userId)
    res.redirect(303, '/gallery/mine')
  })

  router.post('/gallery/:id/withdraw', isPerson, async (req, res) => {
    const { userId } = signedIn(res)
    if (!(await deleteExhibit(db, userId, parseId(req.params.id)))) throw new Refusal(404, 'errors.not_found')
    if (wantsFragment(req)) return void res.status(200).type('html').send('')
    res.redirect(303, '/gallery/mine')
  })

  async function showNewForm(res: Response, wanted: ToShare, where: 'gallery' | 'link'): Promise<void> {
    const { userId, name, email } = signedIn(res)
    const known = await findExhibitor(db, userId)
    // The name on the gateway may be an address.
    const suggested = name.includes('@') || name.toLowerCase() === email.toLowerCase() ? '' : name
    await showForm(res, wanted, {
      where,
      prompt: false,
      settings: false,
      name: known?.name ?? suggested,
      ends: 'week',
      agreed: false,
    })
  }

  async function wantedOf(res: Response, fields: unknown): Promise<ToShare> {
    const { userId } = signedIn(res)
    const { picture, ...selected } = parse(Wanted, fields)
    const named = picture.filter(id => z.guid().safeParse(id).success)
    const ids = named.length > 0 ? named : await selectedIds(db, userId, selected, pageOf(res).timeZone)
    const count = new Set(ids).size
    if (count > MOST_PICTURES) throw new Refusal(422, 'gallery.share.too_many', { count, limit: MOST_PICTURES })
    const pictures = await showable(deps, userId, ids)
    if (pictures.length === 0) throw new Refusal(404, 'gallery.share.nothing')
    // What matches meanwhile is not shared with it: from here on they are named.
    return { pictures, left: count - pictures.length }
  }

  async function showForm(
    res: Response,
    { pictures, left }: ToShare,
    values: ShareForm['values'],
    errors: ShareForm['errors'] = {},
  ): Promise<void> {
    const { userId } = signedIn(res)
    const known = await findExhibitor(db, userId)
    const { licence } = deps.config.gallery
    const ids = pictures.map(({ id }) => id)
    const already = (await listOfPictures(db, userId, ids)).filter(({ isListed }) => isListed).length
    const form: ShareForm = {
      ids: ids.join(','),
      count: pictures.length,
      left,
      prompts: pictures.map(({ prompt }) => prompt).filter(Boolean).length,
      pictures: pictures
        .slice(0, PICTURES_SHOWN)
        .map(({ id, token, width, height, prompt, model, requestedSize, quality }) => ({
          id,
          thumbUrl: `/files/${token}/thumb`,
          width,
          height,
          prompt,
          settings: model ? `${model} · ${requestedSize.replace('x', ' × ')} · ${quality}` : '',
        })),
      values,
      licence: known?.licence === licence ? null : licence,
      already,
      errors,
    }
    render(res, 'gallery/share', { form })
  }

  return router
}
