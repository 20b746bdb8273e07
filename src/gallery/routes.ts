import { type Request, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { isOperator } from '../operators/guard.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import type { SignedIn } from '../session/queries.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { byteRoutes } from './bytes.ts'
import { sendFeed } from './feed.ts'
import { listShares } from './long-share-queries.ts'
import { deleteBlock, findReport, insertBlock, listBlocked } from './moderation-queries.ts'
import { moderationRoutes } from './moderation-routes.ts'
import {
  findExhibitor,
  findExhibitorById,
  findShown,
  type Listed,
  listOwn,
  listShown,
  type Place,
  type Shown,
  setLiked,
} from './queries.ts'
import { shareRoutes } from './share-routes.ts'
import { type Sort, sorts } from './view.ts'
import { cardOf, originOf, viewExhibit } from './view-exhibit.ts'

const EXHIBITS_PER_PAGE = 48
/** As many are shown on one page, however far it has grown. */
const MOST_AGAIN = 480
const EXHIBITS_IN_FEED = 50
const MOST_WORDS = 8
const LONGEST_SEARCH = 200
const Like = z.object({ like: z.enum(['on', 'off']) })

/** What people show each other: the gallery, a page of each picture, links, and the bytes behind them. */
export function galleryRoutes(deps: Deps): Router {
  const { db, config } = deps
  const router = Router()
  const mayLook: RequestHandler =
    config.gallery.open === 'public' ? (_req, _res, next) => next() : requireSignIn(deps, ['words'])
  const isPerson = requireSignIn(deps, ['words', 'name'])
  const likes = createRateLimit(db, { name: 'like', points: 300, seconds: 600, refusal: 'errors.rate_limited' })
  if (config.gallery.open === 'off') return router

  router.use(['/gallery', '/shared'], mayLook)

  router.get('/gallery', async (req, res) => {
    const sort = sorts.find(each => each === req.query.sort) ?? 'newest'
    const q = typeof req.query.q === 'string' ? req.query.q.trim().slice(0, LONGEST_SEARCH).toWellFormed() : ''
    const by = z.guid().safeParse(req.query.by)
    const author = by.success ? await findExhibitorById(db, by.data) : null
    if (req.query.by !== undefined && !author) throw new Refusal(404, 'errors.not_found')
    const viewerId = viewerOf(res)
    const before = parsePlace(req.query.before)
    const through = before ? null : parsePlace(req.query.through)
    const wanted = { sort, words: wordsOf(q), by: author?.userId ?? null, viewerId }
    const limit = through ? MOST_AGAIN : EXHIBITS_PER_PAGE
    const found = await listShown(db, { ...wanted, before, through, limit: limit + 1 })
    const exhibits = found.slice(0, limit).map(each => viewExhibit(each, viewerId))
    const last = found.slice(0, limit).at(-1)
    const hasMore =
      last !== undefined &&
      (found.length > limit ||
        (through !== null && (await listShown(db, { ...wanted, before: placeIn(last), limit: 1 })).length > 0))
    const place = hasMore ? placeOf(last) : null
    const address = (at: { before?: string; through?: string }) => addressOf({ sort, q, by: author?.id, ...at })
    const list = {
      exhibits,
      older: place && address({ before: place }),
      through: place && exhibits.length < MOST_AGAIN ? address({ through: place }) : null,
    }
    if (req.query.part === 'older') return sendFragments(res, renderView(pageOf(res), 'gallery/_older', { list }))
    const blocked = viewerId !== null && author ? await listBlocked(db, viewerId) : []
    const shownAuthor = author && {
      id: author.id,
      name: author.name,
      isBlocked: blocked.some(({ id }) => id === author.id),
      isMe: author.userId === viewerId,
    }
    render(res, 'gallery/index', { gallery: { ...list, sort, q, author: shownAuthor } })
  })

  router.get('/gallery/feed.atom', async (req, res) => {
    const wanted = { sort: 'newest' as const, words: [], by: null, viewerId: null, before: null }
    const found = await listShown(db, { ...wanted, limit: EXHIBITS_IN_FEED })
    sendFeed(
      res,
      originOf(deps, req),
      found.map(each => viewExhibit(each, null)),
    )
  })

  router.get('/gallery/mine', isPerson, async (req, res) => {
    const { userId } = signedIn(res)
    const found = await listOwn(db, userId, { before: parsePlace(req.query.before), limit: EXHIBITS_PER_PAGE + 1 })
    const last = found.length > EXHIBITS_PER_PAGE ? found[EXHIBITS_PER_PAGE - 1] : undefined
    render(res, 'gallery/mine', {
      exhibits: found.slice(0, EXHIBITS_PER_PAGE).map(each => viewExhibit(each, userId)),
      older: last ? `/gallery/mine?before=${placeOf({ at: last.createdAt, id: last.id })}` : null,
      shares: await listShares(db, userId),
      name: (await findExhibitor(db, userId))?.name ?? null,
      blocked: await listBlocked(db, userId),
    })
  })

  router.use(shareRoutes(deps, isPerson))
  router.use(moderationRoutes(deps, isPerson))

  router.post('/gallery/authors/:id/block', isPerson, async (req, res) => {
    const { userId } = signedIn(res)
    const { block } = parse(z.object({ block: z.enum(['on', 'off']) }), req.body)
    const author = await findExhibitorById(db, parseId(req.params.id))
    if (!author || author.userId === userId) throw new Refusal(404, 'errors.not_found')
    await (block === 'on' ? insertBlock : deleteBlock)(db, userId, author.userId)
    res.redirect(303, block === 'on' ? '/gallery' : '/gallery/mine')
  })

  router.get('/gallery/:id', async (req, res) => {
    const exhibit = await visible(req, res)
    if (!exhibit.isListed) throw new Refusal(404, 'errors.not_found')
    await showExhibit(req, res, exhibit)
  })

  router.get('/shared/:id', async (req, res) => {
    const exhibit = await visible(req, res)
    if (exhibit.isListed) return res.redirect(303, `/gallery/${exhibit.id}`)
    res.set('X-Robots-Tag', 'noindex, nofollow, noarchive')
    await showExhibit(req, res, exhibit)
  })

  router.post('/gallery/:id/like', isPerson, async (req, res) => {
    const { like } = parse(Like, req.body)
    const { userId } = signedIn(res)
    const exhibit = await visible(req, res)
    if (!exhibit.isListed) throw new Refusal(404, 'errors.not_found')
    await likes.consume(String(userId))
    await setLiked(db, exhibit, userId, like === 'on')
    if (!wantsFragment(req)) return res.redirect(303, `/gallery/${exhibit.id}`)
    const liked = viewExhibit(await visible(req, res), userId)
    sendFragments(res, renderView(pageOf(res), 'gallery/_like', { exhibit: liked }))
  })

  router.use(byteRoutes(deps, visible))

  async function showExhibit(req: Request, res: Response, exhibit: Shown): Promise<void> {
    const viewerId = viewerOf(res)
    const view = viewExhibit(exhibit, viewerId)
    const report = viewerId === null ? null : await findReport(db, exhibit.id, viewerId)
    const { t } = pageOf(res)
    const title = view.prompt?.slice(0, 80) ?? t('gallery.picture_by', { name: view.author.name })
    render(res, 'gallery/show', {
      exhibit: view,
      card: cardOf(deps, req, view, title),
      report: report && { reason: report.reason, words: report.words, toldAt: report.toldAt, isOpen: !report.closedAt },
    })
  }

  /** What its address leads to. What an operator has hidden is there for its author and operators only. */
  async function visible(req: Request, res: Response): Promise<Shown> {
    const exhibit = await findShown(db, parseId(req.params.id), viewerOf(res))
    const who = res.locals.signedIn as SignedIn | undefined
    if (!exhibit) throw new Refusal(404, 'gallery.gone')
    const isOpen = exhibit.hiddenBecause === null || exhibit.userId === who?.userId
    if (!isOpen && !(await isOperator(deps, who))) throw new Refusal(404, 'gallery.gone')
    return exhibit
  }

  return router
}

function viewerOf(res: Response): number | null {
  return (res.locals.signedIn as SignedIn | undefined)?.userId ?? null
}

/** `/gallery?sort=liked&q=heron`, without what is as it is anyway. */
function addressOf(wanted: {
  sort: Sort
  q: string
  by: string | undefined
  before?: string
  through?: string
}): string {
  const query = new URLSearchParams()
  if (wanted.sort !== 'newest') query.set('sort', wanted.sort)
  for (const name of ['q', 'by', 'before', 'through'] as const) if (wanted[name]) query.set(name, wanted[name])
  return `/gallery?${query}`
}

function wordsOf(q: string): string[] {
  return q.split(/\s+/).filter(Boolean).slice(0, MOST_WORDS)
}

function placeIn({ at, id }: Pick<Listed, 'at' | 'id'>): Place {
  return { at: Number(at), id }
}

function placeOf({ at, id }: Pick<Listed, 'at' | 'id'>): string {
  return `${Number(at).toString(36)}.${id}`
}

/** Null for the beginning, and for anything that is no place. */
function parsePlace(value: unknown): Place | null {
  const [, at, id] = /^([0-9a-z]{1,9})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(String(value)) ?? []
  return at && id ? { at: Number.parseInt(at, 36), id } : null
}
