import { type Request, type RequestHandler, Router } from 'express'
import type { Deps } from '../deps.ts'
import type { SignedIn } from '../session/queries.ts'
import { parseId } from '../web/parse.ts'
import { preferenceCookie, readCookies } from '../web/preferences.ts'
import { pageBehind, pageOf, wantsFragment } from '../web/render.ts'
import type { Bulletin } from './bulletin.ts'
import { dismiss, listDismissed } from './bulletin-queries.ts'

const COOKIE = 'put-away'
const REMEMBERED = 5

/** Puts what everybody is told where every page shows it; what this reader has put away is not told again. */
export function tellBulletin(deps: Pick<Deps, 'db'>, bulletin: () => Promise<Bulletin>): RequestHandler {
  return async (req, res, next) => {
    if (wantsFragment(req) || req.path.startsWith('/files/')) return next()
    const { maintenance, announcements } = await bulletin()
    const who = res.locals.signedIn as SignedIn | undefined
    const ids = announcements.map(({ id }) => id)
    const away = who && ids.length > 0 ? await listDismissed(deps.db, who.userId, ids) : new Set(putAway(req))
    const page = pageOf(res)
    page.bulletin = {
      maintenance: maintenance && { until: maintenance.until },
      announcements: announcements
        .filter(({ id }) => !away.has(id))
        .map(({ id, en, zh }) => ({ id, text: page.lang === 'en' ? en || zh : zh || en })),
    }
    next()
  }
}

/** A reader puts an announcement away: for good with their account, else in this browser. */
export function announcementRoutes({ db, config }: Pick<Deps, 'db' | 'config'>): Router {
  const router = Router()
  router.post('/announcements/:id/dismiss', async (req, res) => {
    const id = parseId(req.params.id)
    const who = res.locals.signedIn as SignedIn | undefined
    if (who) await dismiss(db, who.userId, id)
    else res.cookie(COOKIE, [...putAway(req), id].slice(-REMEMBERED).join('.'), preferenceCookie(res, config))
    res.redirect(303, pageBehind(req))
  })
  return router
}

function putAway(req: Request): string[] {
  return (readCookies(req)[COOKIE] ?? '').split('.').filter(Boolean)
}
