import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { findChange } from './change-queries.ts'
import { addressOf, type Filter, readFilter } from './filter.ts'
import { findFolder, listAllTags, listFolders, listTags } from './folder-queries.ts'
import {
  endOfMonth,
  listFacets,
  listMonths,
  listTiles,
  type Matching,
  matching,
  type Place,
  placeOf,
} from './list-queries.ts'
import { readPlace, viewFilter, viewFilters, viewTiles, viewYears, writePlace } from './list-view.ts'

const PER_PAGE = 60
/** As many are shown at once where somebody comes back to; what lay above is a link away. */
const MOST_AGAIN = 600
const lowest = '00000000-0000-0000-0000-000000000000'
const highest = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
const Month = z.string().regex(/^(?:19|20)\d\d-(?:0[1-9]|1[0-2])$/)

/** What a person keeps, by what is looked for. */
export function listRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()

  router.get('/library', async (req, res) => {
    const { userId } = signedIn(res)
    const page = pageOf(res)
    const filter = readFilter(req.query.filter === 'favourites' ? { ...req.query, favourite: 'on' } : req.query)
    const match = await matching(db, userId, filter, page.timeZone)
    if (wantsFragment(req) && req.query.part === 'older') return sendOlder(req, res, filter, match)
    const change = z.guid().safeParse(req.query.undo)
    const [found, months, folder, tags, done] = await Promise.all([
      findPage(req, filter, match, page.timeZone),
      listMonths(db, match, page.timeZone),
      filter.folder && filter.folder !== 'none' ? findFolder(db, userId, filter.folder) : null,
      filter.tags.length > 0 ? listTags(db, userId, filter.tags) : [],
      findChange(db, userId, change.data ?? null),
    ])
    const first = found.tiles[0]
    render(res, 'library/index', {
      library: {
        list: viewTiles(page, filter, found.tiles, { hasMore: found.hasMore, after: null }),
        newer: found.hasNewer && first ? addressOf(filter, {}, { after: writePlace(placeOf(first)) }) : null,
        total: months.reduce((sum, { count }) => sum + count, 0),
        years: viewYears(months, filter, found.month),
        filter: viewFilter(filter, folder, tags),
        change: done,
        asOf: new Date().toISOString(),
        address: addressOf(filter),
      },
    })
  })

  router.get('/library/filters', async (req, res) => {
    const { userId } = signedIn(res)
    const page = pageOf(res)
    const filter = readFilter(req.query)
    const match = await matching(db, userId, filter, page.timeZone)
    const [facets, folders] = await Promise.all([listFacets(db, match), listFolders(db, userId)])
    const tags = await listTags(db, userId, [...filter.tags, ...facets.map(({ value }) => value)])
    const data = { filters: viewFilters(filter, facets, folders, tags) }
    if (wantsFragment(req)) return sendFragments(res, renderView(page, 'library/_filters', data))
    render(res, 'library/filters', data)
  })

  /** Names to choose from, once somebody is about to write one. */
  router.get('/library/names', async (_req, res) => {
    const { userId } = signedIn(res)
    const [folders, tags] = await Promise.all([listFolders(db, userId), listAllTags(db, userId)])
    const names = folders.filter(({ query }) => query === null).map(({ name }) => name)
    sendFragments(
      res,
      renderView(pageOf(res), 'library/_names', { folders: names, tags: tags.map(({ name }) => name) }),
    )
  })

  async function sendOlder(req: Request, res: Response, filter: Filter, match: Matching): Promise<void> {
    const page = pageOf(res)
    const place = readPlace(req.query.before)
    const tiles = await listTiles(db, match, { sort: filter.sort, place, limit: PER_PAGE + 1 })
    const isTime = filter.sort === 'newest' || filter.sort === 'oldest'
    const list = viewTiles(page, filter, tiles.slice(0, PER_PAGE), {
      hasMore: tiles.length > PER_PAGE,
      after: place && isTime ? new Date(place.at) : null,
    })
    sendFragments(res, renderView(page, 'library/_older', { list }))
  }

  /** The part of the list that an address asks for: from a place on, before one, from a month on, or down to a place again. */
  async function findPage(req: Request, filter: Filter, match: Matching, timeZone: string) {
    const { sort } = filter
    const { before, after, through } = {
      before: readPlace(req.query.before),
      after: readPlace(req.query.after),
      through: readPlace(req.query.through),
    }
    const month = Month.safeParse(req.query.at).data ?? null
    if (through) {
      const tiles = await listTiles(db, match, {
        sort,
        place: through,
        back: true,
        within: true,
        limit: MOST_AGAIN + 1,
      })
      const [next] = await listTiles(db, match, { sort, place: through, limit: 1 })
      return {
        tiles: tiles.slice(-MOST_AGAIN),
        hasMore: next !== undefined,
        hasNewer: tiles.length > MOST_AGAIN,
        month: null,
      }
    }
    if (after) {
      const tiles = await listTiles(db, match, { sort, place: after, back: true, limit: PER_PAGE + 1 })
      return { tiles: tiles.slice(-PER_PAGE), hasMore: true, hasNewer: tiles.length > PER_PAGE, month: null }
    }
    const place = before ?? (month && isTimed(filter) ? await startOf(month, filter, timeZone) : null)
    const tiles = await listTiles(db, match, { sort, place, limit: PER_PAGE + 1 })
    const [newer] = place ? await listTiles(db, match, { sort, place, back: true, within: true, limit: 1 }) : []
    return { tiles: tiles.slice(0, PER_PAGE), hasMore: tiles.length > PER_PAGE, hasNewer: newer !== undefined, month }
  }

  async function startOf(month: string, { sort }: Filter, timeZone: string): Promise<Place> {
    if (sort === 'newest') return { at: (await endOfMonth(db, month, timeZone)).getTime(), id: lowest }
    const [year, number] = month.split('-').map(Number) as [number, number]
    const last = new Date(Date.UTC(year, number - 2, 1)).toISOString().slice(0, 7)
    return { at: (await endOfMonth(db, last, timeZone)).getTime() - 1, id: highest }
  }

  return router
}

function isTimed({ sort }: Filter): boolean {
  return sort === 'newest' || sort === 'oldest'
}
