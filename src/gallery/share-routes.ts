import { type Request, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { listShowable, outlineShowable, type Picture } from '../library/queries.ts'
import { Selected, selectedIds } from '../library/selected.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import {
  findShare,
  insertShare,
  listSharePictures,
  type Share,
  stopShare,
  undoShare,
  withdrawAll,
} from './long-share-queries.ts'
import { countListed, deleteExhibit, findExhibitor } from './queries.ts'
import { AT_ONCE, lifetimes, type Problem, share, shareLong } from './share.ts'
import type { PictureToShare, ShareForm } from './view.ts'

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
  name: z.string().catch(''),
  ends: z
    .string()
    .refine(ends => ends in lifetimes)
    .catch('week'),
  agreed: z.literal('on').optional().catch(undefined),
})

/** Pictures that somebody is asked about before they are shown. */
interface ToShare {
  /** The oldest first. */
  ids: readonly string[]
  /** How many that were chosen cannot be shown. */
  left: number
  /** Of the row that names them, where they are too many for a form. */
  shareId?: string
}

const PICTURES_SHOWN = 24
const PICTURES_ON_PAGE = 120

/** Showing pictures, and taking them back. */
export function shareRoutes(deps: Deps, isPerson: RequestHandler): Router {
  const { db } = deps
  const router = Router()
  const shares = createRateLimit(db, { name: 'share', points: 5000, seconds: 3600, refusal: 'errors.rate_limited' })

  router.get('/gallery/share', isPerson, async (req, res) => {
    const wanted = await wantedOf(res, { picture: req.query.picture })
    await showNewForm(res, wanted, req.query.where === 'link' ? 'link' : 'gallery')
  })

  /** What is selected may be more than an address can name, or a form. */
  router.post('/gallery/share/selection', isPerson, async (req, res) => {
    const wanted = await wantedOf(res, req.body)
    if (wanted.ids.length <= AT_ONCE) return showNewForm(res, wanted, 'gallery')
    const { userId } = signedIn(res)
    const id = await db.transaction(tx => insertShare(tx, userId, wanted.ids))
    res.redirect(303, `/gallery/shares/${id}${wanted.left > 0 ? `?left=${wanted.left}` : ''}`)
  })

  router.post('/gallery/share', isPerson, async (req, res) => {
    const who = signedIn(res)
    const values = valuesIn(req)
    const wanted = await wantedOf(res, req.body)
    if (wanted.ids.length > AT_ONCE) {
      throw new Refusal(422, 'gallery.share.too_many', { count: wanted.ids.length, limit: AT_ONCE })
    }
    await shares.consume(String(who.userId), Math.max(1, wanted.ids.length))
    const done = await share(deps, who, wanted.ids, values)
    if ('field' in done) return refuse(res, wanted, values, done)
    const [id, ...more] = done.ids
    const room = values.where === 'gallery' ? 'gallery' : 'shared'
    res.redirect(303, more.length > 0 ? '/gallery/mine' : `/${room}/${id}`)
  })

  /** Very many: the question before, and how far it is after. */
  router.get('/gallery/shares/:id', isPerson, async (req, res) => {
    const { id, ...mine } = await myShare(req, res)
    if (wantsFragment(req)) {
      return sendFragments(res, renderView(pageOf(res), 'gallery/_sharing', { share: { id, ...mine }, isAsked: true }))
    }
    if (mine.state !== 'asked') return res.redirect(303, '/gallery/mine')
    await showNewForm(res, await wantedIn(res, id, req.query.left), 'gallery')
  })

  /** Each that would become public, with its words. */
  router.get('/gallery/shares/:id/pictures', isPerson, async (req, res) => {
    const { id, total } = await myShare(req, res)
    const after = z.coerce.number().int().min(0).max(total).catch(0).parse(req.query.after)
    const ids = await listSharePictures(db, id, { after, limit: PICTURES_ON_PAGE })
    const pictures = (await listShowable(db, signedIn(res).userId, ids)).map(viewToShare)
    const next = after + PICTURES_ON_PAGE < total ? after + PICTURES_ON_PAGE : null
    render(res, 'gallery/share-pictures', { id, pictures, after, total, next })
  })

  router.post('/gallery/shares/:id', isPerson, async (req, res) => {
    const who = signedIn(res)
    const { id, state } = await myShare(req, res)
    // Sent twice it is asked for once.
    if (state !== 'asked') return res.redirect(303, '/gallery/mine')
    const values = valuesIn(req)
    await shares.consume(String(who.userId), 5 * AT_ONCE)
    const done = await shareLong(deps, who, id, values)
    if (done && 'field' in done) return refuse(res, await wantedIn(res, id), values, done)
    res.redirect(303, '/gallery/mine')
  })

  router.post('/gallery/shares/:id/stop', isPerson, async (req, res) => {
    const { id } = await myShare(req, res)
    await stopShare(db, signedIn(res).userId, id)
    res.redirect(303, '/gallery/mine')
  })

  /** The same twice is no mistake: it is taken back. */
  router.post('/gallery/shares/:id/undo', isPerson, async (req, res) => {
    const { id } = await myShare(req, res)
    const { userId } = signedIn(res)
    if (!(await db.transaction(tx => undoShare(tx, userId, id)))) throw new Refusal(404, 'library.changes.gone')
    res.redirect(303, '/gallery/mine')
  })

  router.post('/gallery/mine/withdraw', isPerson, async (_req, res) => {
    await db.transaction(tx => withdrawAll(tx, signedIn(res).userId))
    res.redirect(303, '/gallery/mine')
  })

  router.post('/gallery/:id/withdraw', isPerson, async (req, res) => {
    const { userId } = signedIn(res)
    if (!(await deleteExhibit(db, userId, parseId(req.params.id)))) throw new Refusal(404, 'errors.not_found')
    if (wantsFragment(req)) return void res.status(200).type('html').send('')
    res.redirect(303, '/gallery/mine')
  })

  async function myShare(req: Request, res: Response): Promise<Share> {
    const found = await findShare(db, signedIn(res).userId, parseId(req.params.id))
    if (!found) throw new Refusal(404, 'library.changes.gone')
    return found
  }

  async function wantedOf(res: Response, fields: unknown): Promise<ToShare> {
    const { userId } = signedIn(res)
    const { picture, ...selected } = parse(Wanted, fields)
    const named = picture.filter(id => z.guid().safeParse(id).success)
    const chosen = named.length > 0 ? named : await selectedIds(db, userId, selected, pageOf(res).timeZone)
    const { ids } = await outlineShowable(db, userId, chosen)
    if (ids.length === 0) throw new Refusal(404, 'gallery.share.nothing')
    // What matches meanwhile is not shared with it: from here on they are named.
    return { ids, left: new Set(chosen).size - ids.length }
  }

  async function wantedIn(res: Response, shareId: string, left?: unknown): Promise<ToShare> {
    const named = await listSharePictures(db, shareId, { after: 0, limit: null })
    const { ids } = await outlineShowable(db, signedIn(res).userId, named)
    const more = z.coerce.number().int().min(0).catch(0).parse(left)
    return { ids, left: named.length - ids.length + more, shareId }
  }

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

  function refuse(res: Response, wanted: ToShare, values: ShareForm['values'], problem: Problem): Promise<void> {
    const sentence = pageOf(res).t(problem.key, problem.params ?? {})
    return showForm(res.status(422), wanted, values, { [problem.field]: sentence })
  }

  async function showForm(
    res: Response,
    { ids, left, shareId }: ToShare,
    values: ShareForm['values'],
    errors: ShareForm['errors'] = {},
  ): Promise<void> {
    const { userId } = signedIn(res)
    const known = await findExhibitor(db, userId)
    const { licence } = deps.config.gallery
    const { prompts, settings } = await outlineShowable(db, userId, ids)
    const form: ShareForm = {
      action: shareId ? `/gallery/shares/${shareId}` : '/gallery/share',
      all: shareId ? `/gallery/shares/${shareId}/pictures` : null,
      ids: shareId ? '' : ids.join(','),
      count: ids.length,
      left,
      prompts,
      settings: settings.map(wordSettings),
      pictures: (await listShowable(db, userId, ids.slice(0, PICTURES_SHOWN))).map(viewToShare),
      values,
      licence: known?.licence === licence ? null : licence,
      already: await countListed(db, userId, ids),
      errors,
    }
    render(res, 'gallery/share', { form })
  }

  return router
}

function valuesIn(req: Request): ShareForm['values'] {
  const form = Form.parse(req.body ?? {})
  return {
    where: form.where,
    prompt: form.prompt === 'on',
    settings: form.settings === 'on',
    name: form.name.trim().replaceAll(/\s+/g, ' ').toWellFormed(),
    ends: form.ends,
    agreed: form.agreed === 'on',
  }
}

function viewToShare({ id, token, width, height, prompt }: Picture): PictureToShare {
  return { id, thumbUrl: `/files/${token}/thumb`, width, height, prompt }
}

function wordSettings({ model, size, quality }: { model: string; size: string; quality: string }): string {
  return `${model} · ${size.replace('x', ' × ')} · ${quality}`
}
