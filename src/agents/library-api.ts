import { type Request, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { listJobIdsOfSshKey } from '../images/ssh-key-queries.ts'
import { changePictures } from '../library/change.ts'
import { type Change, undoChange } from '../library/change-queries.ts'
import { findFile, type StoredFile } from '../library/file-queries.ts'
import { folderCalled, tagNames } from '../library/filing.ts'
import { type Filter, readFilter } from '../library/filter.ts'
import { ensureTags, listAllTags, listFolders } from '../library/folder-queries.ts'
import { listMonths, listTiles, type Matching, matching, placeOf } from '../library/list-queries.ts'
import { readPlace, writePlace } from '../library/list-view.ts'
import { findPicture, listDeleted, listPicturesById, type Picture } from '../library/queries.ts'
import { listRelatives } from '../library/relative-queries.ts'
import { fileName, originalBytes, sendStored, shownBytes } from '../library/send.ts'
import { sendCopy } from '../library/send-copy.ts'
import { sendThumbnail } from '../library/unseen.ts'
import { timeZoneNamed } from '../web/page.ts'
import { cursorOf, parseCursor } from '../web/paging.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { say } from '../web/words.ts'
import { onlyMethods, succeed } from './answers.ts'
import * as schemas from './library-schemas.ts'
import { viewPictures, viewRelatives } from './library-view.ts'
import { badField, Problem } from './problem.ts'
import { readJson } from './read-json.ts'
import type { Bearer } from './sign-in-queries.ts'
import { badShape } from './task-request.ts'

const REQUESTS_PER_MINUTE = 600
const RELATIVES = 24

/**
 * The library of an SSH key's owner, for scripts: all of it is read, filed and found by the conditions of the page. What is done can be
 * undone, nothing is deleted for good, and only what the key itself made goes into the trash.
 */
export function libraryApi(deps: Deps, bearerOf: (req: Request) => Promise<Bearer>): Router {
  const { db } = deps
  const requests = createRateLimit(db, {
    name: 'ssh-library',
    points: REQUESTS_PER_MINUTE,
    seconds: 60,
    refusal: 'errors.rate_limited',
  })
  const api = Router()

  api.get('/ssh/library', async (req, res) => {
    const { userId } = await asks(req)
    const query = readQuery(schemas.PicturesQuery, req)
    const { filter, match } = await matchOf(userId, query)
    const { sort } = filter
    const place = cursorIn(query.cursor, readPlace)
    const tiles = await listTiles(db, match, { sort, place, limit: query.limit + 1 })
    const shown = tiles.slice(0, query.limit)
    const ids = shown.map(({ id }) => id)
    const byId = new Map((await listPicturesById(db, userId, ids)).map(picture => [picture.id, picture]))
    const last = tiles.length > query.limit ? shown.at(-1) : undefined
    succeed(res, {
      pictures: await viewPictures(
        deps,
        userId,
        ids.flatMap(id => byId.get(id) ?? []),
      ),
      next_cursor: last ? writePlace(placeOf(last)) : null,
    })
  })
  api.all('/ssh/library', onlyMethods('GET', 'HEAD'))

  api.get('/ssh/library/months', async (req, res) => {
    const { userId } = await asks(req)
    const { match, timeZone } = await matchOf(userId, readQuery(schemas.MatchQuery, req))
    const months = await listMonths(db, match, timeZone)
    succeed(res, { total: months.reduce((sum, { count }) => sum + count, 0), months })
  })
  api.all('/ssh/library/months', onlyMethods('GET', 'HEAD'))

  api.get('/ssh/library/names', async (req, res) => {
    const { userId } = await asks(req)
    const [folders, tags] = await Promise.all([listFolders(db, userId), listAllTags(db, userId)])
    succeed(res, {
      // A saved search is no folder that anything lies in.
      folders: folders.filter(({ query }) => query === null).map(({ id, name }) => ({ id, name })),
      tags: tags.map(({ name }) => name),
    })
  })
  api.all('/ssh/library/names', onlyMethods('GET', 'HEAD'))

  api.get('/ssh/library/trash', async (req, res) => {
    const { userId } = await asks(req)
    const { limit, cursor } = readQuery(schemas.TrashQuery, req)
    const found = await listDeleted(db, userId, { before: cursorIn(cursor, parseCursor), limit: limit + 1 })
    const shown = found.slice(0, limit)
    const last = found.length > limit ? shown.at(-1) : undefined
    const next = last?.deletedAt ? cursorOf(last.deletedAt, last.id) : null
    succeed(res, { pictures: await viewPictures(deps, userId, shown), next_cursor: next })
  })
  api.all('/ssh/library/trash', onlyMethods('GET', 'HEAD'))

  api.post('/ssh/library/changes', async (req, res) => {
    const bearer = await asks(req)
    const asked = await readJson(req, schemas.ChangeRequest)
    const ids = [...new Set(asked.ids)]
    if (asked.did === 'delete') await refuseOthers(bearer, ids)
    const change = await changePictures(deps, bearer.userId, ids, await readChange(bearer.userId, asked))
    if (!change) throw notThere()
    succeed(res, { change_id: change.id, count: change.count })
  })
  api.all('/ssh/library/changes', onlyMethods('POST'))

  api.post('/ssh/library/changes/:id/undo', async (req, res) => {
    const { userId } = await asks(req)
    const id = readId(req)
    if (!(await db.transaction(tx => undoChange(tx, userId, id)))) throw notThere()
    succeed(res, { undone: true })
  })
  api.all('/ssh/library/changes/:id/undo', onlyMethods('POST'))

  api.get('/ssh/library/:id', async (req, res) => {
    const { userId } = await asks(req)
    const picture = await pictureOf(req, userId)
    const [[view], ancestors, descendants] = await Promise.all([
      viewPictures(deps, userId, [picture]),
      listRelatives(db, picture, 'ancestors', RELATIVES),
      listRelatives(db, picture, 'descendants', RELATIVES),
    ])
    succeed(res, {
      ...view,
      made_from: viewRelatives(deps, ancestors),
      made_into: viewRelatives(deps, descendants),
    })
  })
  api.all('/ssh/library/:id', onlyMethods('GET', 'HEAD'))

  api.get('/ssh/library/:id/download', async (req, res) => {
    const { picture, file } = await fileOf(req)
    const { format, original } = readQuery(schemas.DownloadQuery, req)
    const nameAs = (as: string) => fileName(picture.prompt, { condition: picture.condition, format: as })
    if (format && format !== file.format) return sendCopy(deps, res, file, { format, saveAs: nameAs(format) })
    const asItCame = original === '1' ? file.originalFormat : null
    const sent = asItCame ? originalBytes(file, nameAs(asItCame)) : shownBytes(file, { saveAs: nameAs(file.format) })
    await sendStored(deps, req, res, sent)
  })
  api.all('/ssh/library/:id/download', onlyMethods('GET', 'HEAD'))

  api.get('/ssh/library/:id/thumbnail', async (req, res) => {
    await sendThumbnail(deps, req, res, (await fileOf(req)).file)
  })
  api.all('/ssh/library/:id/thumbnail', onlyMethods('GET', 'HEAD'))

  return api

  async function asks(req: Request): Promise<Bearer> {
    const bearer = await bearerOf(req)
    await requests.consume(bearer.id)
    return bearer
  }

  /** The filter, and all that it matches: by the one condition of the page. */
  async function matchOf(
    userId: number,
    { time_zone: zone, ...query }: z.output<typeof schemas.MatchQuery>,
  ): Promise<{ filter: Filter; match: Matching; timeZone: string }> {
    const timeZone = timeZoneNamed(zone ?? 'UTC')
    if (timeZone === null) throw badName('time_zone')
    const filter = readFilter(query)
    return { filter, timeZone, match: await matching(db, userId, filter, timeZone) }
  }

  async function pictureOf(req: Request, userId: number): Promise<Picture> {
    const picture = await findPicture(db, userId, readId(req))
    if (!picture) throw notThere()
    return picture
  }

  async function fileOf(req: Request): Promise<{ picture: Picture; file: StoredFile }> {
    const { userId } = await asks(req)
    const picture = await pictureOf(req, userId)
    const file = await findFile(db, userId, picture.token)
    if (!file) throw notThere()
    return { picture, file }
  }

  /** Throws `Problem` 403 where somebody else made one of them: a script clears up after itself only. */
  async function refuseOthers({ id, userId }: Bearer, ids: readonly string[]): Promise<void> {
    const pictures = await listPicturesById(db, userId, ids)
    const jobs = pictures.flatMap(({ jobId }) => jobId ?? [])
    const own = new Set(await listJobIdsOfSshKey(db, userId, id, jobs))
    const count = pictures.filter(({ jobId }) => jobId === null || !own.has(jobId)).length
    if (count > 0) throw new Problem(403, 'made_by_others', 'agents.made_by_others', { params: { count } })
  }

  async function readChange(
    userId: number,
    { did, folder, tags = [] }: z.output<typeof schemas.ChangeRequest>,
  ): Promise<Change> {
    if (did === 'move') {
      if (folder === undefined) throw badName('folder')
      return { did, folderId: await folderCalled(db, userId, folder) }
    }
    if (did !== 'tag' && did !== 'untag') return { did }
    const names = tagNames(tags.join('\n'))
    if (names.length === 0) throw badName('tags')
    return { did, tags: await ensureTags(db, userId, names) }
  }
}

function readQuery<T>(schema: z.ZodType<T>, { query }: Request): T {
  const parsed = schema.safeParse(query)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw issue?.code === 'unrecognized_keys' ? badName(issue.keys[0] ?? '') : badShape(parsed.error)
}

function cursorIn<T>(cursor: string | undefined, read: (text: string) => T | null): T | null {
  const place = cursor === undefined ? null : read(cursor)
  if (cursor !== undefined && !place) throw badName('cursor')
  return place
}

function badName(field: string): Problem {
  return badField(field, say('agents.invalid.field', { field }))
}

function readId(req: Request): string {
  const id = z.guid().safeParse(req.params.id)
  if (!id.success) throw notThere()
  return id.data.toLowerCase()
}

function notThere(): Problem {
  return new Problem(404, 'not_found', 'errors.not_found')
}
