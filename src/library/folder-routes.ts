import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId, readText } from '../web/parse.ts'
import { pageOf, render } from '../web/render.ts'
import { changePictures } from './change.ts'
import { type Change, findChange } from './change-queries.ts'
import { folderName } from './filing.ts'
import { addressOf, fieldsIn, queryOf, readFilter } from './filter.ts'
import * as queries from './folder-queries.ts'
import { listTiles, matching } from './list-queries.ts'
import { MOST_FOLDERS } from './names.ts'
import type { FolderView } from './view.ts'
import { withUndo } from './with-undo.ts'

const Into = z.object({ into: z.guid() })
const Cover = z.object({ picture: z.guid() })
/** Each costs a search. */
const MOST_COVERS = 40

/** Folders, and smart ones: searches that are kept. */
export function folderRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()

  router.get('/library/folders', async (req, res) => {
    const { userId } = signedIn(res)
    const folders: FolderView[] = []
    for (const folder of await queries.listFoldersWithCovers(db, userId)) {
      const isLooked = folder.query !== null && folders.filter(({ isSmart }) => isSmart).length < MOST_COVERS
      const cover = isLooked ? await firstOf(res, userId, folder.query ?? '') : folder.cover
      folders.push(viewFolder({ ...folder, cover }))
    }
    const undo = z.guid().safeParse(req.query.undo)
    render(res, 'library/folders', { folders, change: await findChange(db, userId, undo.data ?? null) })
  })

  router.post('/library/folders', async (req, res) => {
    const { userId } = signedIn(res)
    const name = nameIn(req)
    const query = typeof req.body?.query === 'string' ? savedQuery(req.body.query) : null
    const existing = await queries.listFolders(db, userId)
    if (existing.length >= MOST_FOLDERS) throw new Refusal(422, 'library.folders.too_many', { limit: MOST_FOLDERS })
    const folder = await queries.insertFolder(db, userId, name, query)
    if (!folder) throw new Refusal(409, 'library.folders.taken', { name })
    res.redirect(303, '/library/folders')
  })

  router.post('/library/folders/:id/name', async (req, res) => {
    const { id, userId } = await myFolder(req, res)
    const name = nameIn(req)
    if (!(await queries.renameFolder(db, userId, id, name))) throw new Refusal(409, 'library.folders.taken', { name })
    res.redirect(303, '/library/folders')
  })

  /** Everything that lies in this one lies in the other then. */
  router.post('/library/folders/:id/merge', async (req, res) => {
    const { id, userId, query } = await myFolder(req, res)
    const { into } = parse(Into, req.body)
    const other = await queries.findFolder(db, userId, into)
    if (!other || other.id === id || other.query !== null || query !== null) throw new Refusal(404, 'errors.not_found')
    const change = await endFolder(userId, { did: 'merge', folderId: other.id, from: id })
    const page = addressOf(readFilter({ folder: into, kind: 'all' }))
    res.redirect(303, change ? withUndo(page, change.id) : page)
  })

  router.post('/library/folders/:id/cover', async (req, res) => {
    const { id, userId } = await myFolder(req, res)
    if (!(await queries.setCover(db, userId, id, parse(Cover, req.body).picture))) {
      throw new Refusal(404, 'errors.not_found')
    }
    res.redirect(303, '/library/folders')
  })

  /** What lies in it is kept. */
  router.post('/library/folders/:id/delete', async (req, res) => {
    const { id, userId } = await myFolder(req, res)
    const change = await endFolder(userId, { did: 'dissolve', folderId: null, from: id })
    res.redirect(303, change ? withUndo('/library/folders', change.id) : '/library/folders')
  })

  /** Null where nothing lay in it, and there is nothing to be undone. */
  async function endFolder(userId: number, change: Extract<Change, { from: string }>) {
    const ids = await queries.listInFolder(db, userId, change.from)
    const changed = await changePictures(deps, userId, ids, change)
    if (!changed) await queries.deleteFolder(db, userId, change.from)
    return changed
  }

  /** The token of the first picture that a search finds. */
  async function firstOf(res: Response, userId: number, query: string): Promise<string | null> {
    const filter = readFilter(fieldsIn(`/library?${query}`))
    const match = await matching(db, userId, filter, pageOf(res).timeZone)
    const [first] = await listTiles(db, match, { sort: filter.sort, place: null, limit: 1 })
    return first?.token ?? null
  }

  async function myFolder(req: Request, res: Response) {
    const { userId } = signedIn(res)
    const folder = await queries.findFolder(db, userId, parseId(req.params.id))
    if (!folder) throw new Refusal(404, 'errors.not_found')
    return { ...folder, userId }
  }

  return router
}

/** Throws `Refusal` 422 for one that is empty or too long. */
function nameIn(req: Request): string {
  const name = folderName(readText(req.body, 'name', 1000))
  if (name === null) throw new Refusal(422, 'library.folders.no_name')
  return name
}

/** Only what a filter can mean. */
function savedQuery(query: string): string {
  return queryOf(readFilter(fieldsIn(`/library?${query.slice(0, 4000)}`)))
}

function viewFolder(folder: queries.FolderWithCover): FolderView {
  const { id, name, query, count, cover } = folder
  return {
    id,
    name,
    url: query === null ? addressOf(readFilter({ folder: id, kind: 'all' })) : `/library?${query}`,
    count: query === null ? count : null,
    cover: cover && `/files/${cover}/thumb`,
    isSmart: query !== null,
  }
}
