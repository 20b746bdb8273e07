import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { clock } from '../db/clock.ts'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { cursorOf, parseCursor } from '../web/paging.ts'
import { parse, parseId, readText } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import type { Views } from '../web/views.gen.ts'
import { TRASH_DAYS } from '../work/upkeep.ts'
import { changePictures } from './change.ts'
import { findChange } from './change-queries.ts'
import { viewDetails } from './details.ts'
import { folderCalled, tagNames } from './filing.ts'
import { addressOf, fieldsIn, queryOf, readFilter } from './filter.ts'
import { ensureTags } from './folder-queries.ts'
import { folderRoutes } from './folder-routes.ts'
import { findNeighbours, matching } from './list-queries.ts'
import { listRoutes } from './list-routes.ts'
import { viewCell } from './list-view.ts'
import { viewPicture } from './picture-view.ts'
import * as queries from './queries.ts'
import { listRelatives, type Relative } from './relative-queries.ts'
import { selectionRoutes } from './selection-routes.ts'
import { countTrash } from './storage-queries.ts'
import { storageRoutes } from './storage-routes.ts'

const PICTURES_PER_PAGE = 60
const RELATIVES = 24
const DAY_MS = 86_400_000
const LONGEST_DETAIL = 5000
const Favourite = z.object({ favourite: z.enum(['on', 'off']) })

/** What a job cost, from the room that knows. */
type ReceiptOf = (userId: number, jobId: string) => Promise<Views['library/show']['receipt']>

/** The pictures a person keeps: the list, one of them, the trash. */
export function libraryRoutes(deps: Deps, receiptOf: ReceiptOf): Router {
  const { db } = deps
  const router = Router()
  router.use('/library', requireSignIn(deps, ['name', 'folder', 'tags']))

  router.use(listRoutes(deps))
  router.use(folderRoutes(deps))
  router.use(selectionRoutes(deps))
  router.use(storageRoutes(deps))

  router.get('/library/trash', async (req, res) => {
    const { userId } = signedIn(res)
    const found = await queries.listDeleted(db, userId, {
      before: parseCursor(req.query.before),
      limit: PICTURES_PER_PAGE + 1,
    })
    const pictures = found.slice(0, PICTURES_PER_PAGE).map(viewTrashed)
    const last = found.length > PICTURES_PER_PAGE ? found[PICTURES_PER_PAGE - 1] : undefined
    const older = last?.deletedAt ? `/library/trash?before=${cursorOf(last.deletedAt, last.id)}` : null
    const change = z.guid().safeParse(req.query.undo)
    const trash = {
      pictures,
      older,
      total: await countTrash(db, userId),
      asOf: (await clock(db)).toISOString(),
      change: await findChange(db, userId, change.data ?? null),
    }
    render(res, 'library/trash', { trash })
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
    const { timeZone } = pageOf(res)
    const filter = readFilter(req.query)
    const beside = await findNeighbours(db, await matching(db, picture.userId, filter, timeZone), filter.sort, picture)
    const lineage = {
      ancestors: viewRelatives(await listRelatives(db, picture, 'ancestors', RELATIVES)),
      descendants: viewRelatives(await listRelatives(db, picture, 'descendants', RELATIVES)),
    }
    const url = (id: string | null) => id && addressOf(filter, {}, {}, `/library/${id}`)
    const back = addressOf(filter)
    const change = z.guid().safeParse(req.query.undo)
    const [details, receipt, done] = await Promise.all([
      viewDetails(db, picture),
      picture.jobId ? receiptOf(picture.userId, picture.jobId) : null,
      change.success ? findChange(db, picture.userId, change.data) : null,
    ])
    render(res, 'library/show', {
      picture: shown,
      newer: url(beside.before),
      older: url(beside.after),
      back,
      lineage,
      details,
      change: done,
      receipt,
    })
  })

  router.post('/library/:id/details', async (req, res) => {
    const [folder, tags] = [readText(req.body, 'folder', LONGEST_DETAIL), readText(req.body, 'tags', LONGEST_DETAIL)]
    const { id, userId } = await myPicture(req, res)
    const names = tagNames(tags)
    const folderId = await folderCalled(db, userId, folder)
    const change = await changePictures(deps, userId, [id], {
      did: 'describe',
      folderId,
      tags: await ensureTags(db, userId, names),
    })
    res.redirect(303, `/library/${id}${change ? `?undo=${change.id}` : ''}`)
  })

  router.post('/library/:id/favourite', async (req, res) => {
    const { favourite } = parse(Favourite, req.body)
    const { id, userId } = await myPicture(req, res)
    await changePictures(deps, userId, [id], { did: favourite === 'on' ? 'favourite' : 'unfavourite' })
    await answerTile(req, res, `/library/${id}`)
  })

  router.post('/library/:id/delete', async (req, res) => {
    const { id, userId } = await myPicture(req, res)
    const change = await changePictures(deps, userId, [id], { did: 'delete' })
    await answerTile(req, res, change ? `/library?undo=${change.id}` : '/library')
  })

  router.post('/library/:id/restore', async (req, res) => {
    const { id, userId } = await myPicture(req, res)
    await changePictures(deps, userId, [id], { did: 'restore' })
    await answerTile(req, res, `/library/${id}`)
  })

  async function myPicture(req: Request, res: Response): Promise<queries.Picture> {
    const picture = await queries.findPicture(db, signedIn(res).userId, parseId(req.params.id))
    if (!picture) throw new Refusal(404, 'errors.not_found')
    return picture
  }

  async function answerTile(req: Request, res: Response, page: string): Promise<void> {
    if (!wantsFragment(req)) return res.redirect(303, page)
    const picture = await myPicture(req, res)
    const isCell = req.query.as === 'cell'
    const query = queryOf(readFilter(fieldsIn(`/library?${typeof req.query.in === 'string' ? req.query.in : ''}`)))
    const fragment = isCell
      ? renderView(pageOf(res), 'library/_cell', { tile: viewCell(picture), query })
      : renderView(pageOf(res), 'library/_tile', { picture: viewPicture(picture) })
    sendFragments(res, fragment)
  }

  return router
}

function viewTrashed(picture: queries.Picture) {
  const gone = (picture.deletedAt?.getTime() ?? 0) + TRASH_DAYS * DAY_MS
  return { picture: viewPicture(picture), daysLeft: Math.max(0, Math.ceil((gone - Date.now()) / DAY_MS)) }
}

function viewRelatives(relatives: readonly Relative[]) {
  return relatives.map(relative => ({ picture: viewPicture(relative), depth: relative.depth }))
}
