import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { type Cursor, cursorOf, parseCursor } from '../web/paging.ts'
import { parse, parseId } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { viewPicture } from './picture-view.ts'
import * as queries from './queries.ts'

const PICTURES_PER_PAGE = 60
const RELATIVES = 24
const Favourite = z.object({ favourite: z.enum(['on', 'off']) })

/** The pictures a person keeps: the list, one of them, the trash. */
export function libraryRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  router.use('/library', requireSignIn(deps))

  router.get('/library', async (req, res) => {
    const { userId } = signedIn(res)
    const filter = req.query.filter === 'favourites' ? 'favourites' : 'all'
    const { pictures, older } = await pageOfPictures(
      req,
      filter === 'all' ? '/library' : '/library?filter=favourites',
      before =>
        queries.listPictures(db, userId, { favourites: filter === 'favourites', before, limit: PICTURES_PER_PAGE + 1 }),
    )
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'library/_older', { pictures, older }))
    const deleted = z.guid().safeParse(req.query.deleted)
    const gone = deleted.success ? await queries.findPicture(db, userId, deleted.data) : null
    render(res, 'library/index', { pictures, older, filter, undo: gone?.deletedAt ? viewPicture(gone) : null })
  })

  router.get('/library/trash', async (req, res) => {
    const { userId } = signedIn(res)
    const { pictures, older } = await pageOfPictures(req, '/library/trash', before =>
      queries.listDeleted(db, userId, { before, limit: PICTURES_PER_PAGE + 1 }),
    )
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'library/_older', { pictures, older }))
    render(res, 'library/trash', { pictures, older })
  })

  router.get('/library/compare', async (req, res) => {
    const { userId } = signedIn(res)
    const [a, b] = [
      await queries.findPicture(db, userId, parseId(req.query.a)),
      await queries.findPicture(db, userId, parseId(req.query.b)),
    ]
    // There is nothing to be compared with what cannot be shown.
    if (!a || !b || a.format === 'bin' || b.format === 'bin') throw new Refusal(404, 'errors.not_found')
    render(res, 'library/compare', { a: viewPicture(a), b: viewPicture(b) })
  })

  router.get('/library/:id', async (req, res) => {
    const picture = await myPicture(req, res)
    const shown = viewPicture(picture)
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'library/_facts', { picture: shown }))
    const beside = await queries.findNeighbours(db, picture)
    const lineage = {
      ancestors: viewRelatives(await queries.listRelatives(db, picture, 'ancestors', RELATIVES)),
      descendants: viewRelatives(await queries.listRelatives(db, picture, 'descendants', RELATIVES)),
    }
    const url = (id: string | null) => id && `/library/${id}`
    render(res, 'library/show', { picture: shown, newer: url(beside.newer), older: url(beside.older), lineage })
  })

  router.post('/library/:id/favourite', async (req, res) => {
    const { favourite } = parse(Favourite, req.body)
    const { id, userId } = await myPicture(req, res)
    await queries.setFavourite(db, userId, id, favourite === 'on')
    await answerTile(req, res, `/library/${id}`)
  })

  router.post('/library/:id/delete', async (req, res) => {
    const { id, userId } = await myPicture(req, res)
    await queries.setDeleted(db, userId, id, true)
    await answerTile(req, res, `/library?deleted=${id}`)
  })

  router.post('/library/:id/restore', async (req, res) => {
    const { id, userId } = await myPicture(req, res)
    await queries.setDeleted(db, userId, id, false)
    await answerTile(req, res, `/library/${id}`)
  })

  async function myPicture(req: Request, res: Response): Promise<queries.Picture> {
    const picture = await queries.findPicture(db, signedIn(res).userId, parseId(req.params.id))
    if (!picture) throw new Refusal(404, 'errors.not_found')
    return picture
  }

  async function answerTile(req: Request, res: Response, page: string): Promise<void> {
    if (!wantsFragment(req)) return res.redirect(303, page)
    sendFragments(res, renderView(pageOf(res), 'library/_tile', { picture: viewPicture(await myPicture(req, res)) }))
  }

  return router
}

function viewRelatives(relatives: readonly queries.Relative[]) {
  return relatives.map(relative => ({ picture: viewPicture(relative), depth: relative.depth }))
}

async function pageOfPictures(req: Request, url: string, list: (before: Cursor | null) => Promise<queries.Picture[]>) {
  const found = await list(parseCursor(req.query.before))
  const last = found[PICTURES_PER_PAGE - 1]
  const more = found.length > PICTURES_PER_PAGE && last
  const cursor = more && cursorOf(url === '/library/trash' ? last.deletedAt! : last.createdAt, last.id)
  return {
    pictures: found.slice(0, PICTURES_PER_PAGE).map(viewPicture),
    older: cursor ? `${url}${url.includes('?') ? '&' : '?'}before=${cursor}` : null,
  }
}
