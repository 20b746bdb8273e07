import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { localPath, parse, parseId } from '../web/parse.ts'
import { pageOf, renderView, sendFragments } from '../web/render.ts'
import { changePictures } from './change.ts'
import { type Change, type Changed, findChange, undoChange } from './change-queries.ts'
import { folderCalled, tagNames } from './filing.ts'
import { ensureTags } from './folder-queries.ts'
import { stopChange } from './long-change-queries.ts'
import { Selected, selectedIds } from './selected.ts'
import { withoutUndo, withUndo } from './with-undo.ts'

const text = z.string().max(5000).default('')
const Selection = Selected.extend({
  act: z.enum(['favourite', 'unfavourite', 'delete', 'restore', 'move', 'tag', 'untag', 'compare']),
  folder: text,
  tags: text,
})

/** What is done with several pictures at once, and undone. */
export function selectionRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()

  router.post('/library/selection', async (req, res) => {
    const { userId } = signedIn(res)
    const selection = parse(Selection, req.body)
    const back = localPath(selection.back, '/library')
    const ids = await selectedIds(db, userId, selection, pageOf(res).timeZone)
    if (ids.length === 0) throw new Refusal(422, 'library.selection.none')
    if (selection.act === 'compare') {
      if (ids.length !== 2) throw new Refusal(422, 'library.selection.two')
      return res.redirect(303, `/library/compare?a=${ids[0]}&b=${ids[1]}`)
    }
    const change = await readChange(db, userId, selection)
    const changed = await changePictures(deps, userId, ids, change)
    if (!changed) throw new Refusal(404, 'errors.not_found')
    res.redirect(303, withUndo(back, changed.id))
  })

  /** The same twice is no mistake: it is undone. */
  router.post('/library/changes/:id/undo', async (req, res) => {
    const { userId } = signedIn(res)
    const id = parseId(req.params.id)
    const undone = await db.transaction(tx => undoChange(tx, userId, id))
    if (!undone) throw new Refusal(404, 'library.changes.gone')
    await answerChanged(req, res, id)
  })

  /** How far one of very many pictures is: asked for by the page that shows it. */
  router.get('/library/changes/:id', async (req, res) => {
    const change = await myChange(req, res)
    const back = localPath(req.query.back, '/library')
    sendFragments(res, renderView(pageOf(res), 'library/_change', { change, back, isAsked: true }))
  })

  router.post('/library/changes/:id/stop', async (req, res) => {
    const { id } = await myChange(req, res)
    await stopChange(db, signedIn(res).userId, id)
    await answerChanged(req, res, id)
  })

  async function myChange(req: Request, res: Response): Promise<Changed> {
    const id = parseId(req.params.id)
    const change = await findChange(db, signedIn(res).userId, id)
    if (change?.id !== id) throw new Refusal(404, 'library.changes.gone')
    return change
  }

  /** Where it still is to be seen: back there, with it. */
  async function answerChanged(req: Request, res: Response, id: string): Promise<void> {
    const back = localPath(req.body?.back, '/library')
    const change = await findChange(db, signedIn(res).userId, id)
    res.redirect(303, change?.id === id ? withUndo(back, id) : withoutUndo(back))
  }

  return router
}

/** Throws `Refusal` 422 for names that are missing or too long. */
async function readChange(db: Db, userId: number, selection: z.output<typeof Selection>): Promise<Change> {
  const { act, folder, tags } = selection
  if (act === 'compare') throw new Error('nothing is changed by comparing')
  if (act === 'move') return { did: act, folderId: await folderCalled(db, userId, folder) }
  if (act !== 'tag' && act !== 'untag') return { did: act }
  const names = tagNames(tags)
  if (names.length === 0) throw new Refusal(422, 'library.tags.none')
  return { did: act, tags: await ensureTags(db, userId, names) }
}
