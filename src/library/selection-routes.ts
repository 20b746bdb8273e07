import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { localPath, parse, parseId } from '../web/parse.ts'
import { pageOf } from '../web/render.ts'
import { changePictures } from './change.ts'
import { type Change, undoChange } from './change-queries.ts'
import { ensureTags, findFolderNamed, insertFolder } from './folder-queries.ts'
import { folderName } from './folder-routes.ts'
import { cleanTags, isTooLong, LONGEST_TAG, MOST_TAGS } from './names.ts'
import { Selected, selectedIds } from './selected.ts'

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
    answerUndone(req, res)
  })

  return router
}

function answerUndone(req: Request, res: Response): void {
  res.redirect(303, without(localPath(req.body?.back, '/library'), 'undo'))
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

/** Made where there is none of this name; null without a name. */
export async function folderCalled(db: Db, userId: number, typed: string): Promise<string | null> {
  const name = folderName(typed)
  if (name === null) return null
  const folder = (await findFolderNamed(db, userId, name)) ?? (await insertFolder(db, userId, name, null))
  const found = folder ?? (await findFolderNamed(db, userId, name))
  if (found?.query !== null) throw new Refusal(409, 'library.folders.is_smart', { name })
  return found.id
}

/** Throws `Refusal` 422 for tags that are too long, or more than a picture may have. */
export function tagNames(typed: string): string[] {
  const names = cleanTags([typed])
  const long = names.find(name => isTooLong(name, LONGEST_TAG))
  if (long) throw new Refusal(422, 'library.tags.too_long', { tag: long, limit: LONGEST_TAG })
  if (names.length > MOST_TAGS) throw new Refusal(422, 'library.tags.too_many', { limit: MOST_TAGS })
  return names
}

function withUndo(address: string, id: string): string {
  const clean = without(address, 'undo')
  return `${clean}${clean.includes('?') ? '&' : '?'}undo=${id}`
}

function without(address: string, name: string): string {
  const url = new URL(address, 'http://here.invalid')
  url.searchParams.delete(name)
  return url.pathname + url.search
}
