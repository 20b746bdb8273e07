import { Router } from 'express'
import type { Deps } from '../deps.ts'
import { requireSignIn } from '../session/guard.ts'
import { localPath } from '../web/parse.ts'
import { pageBehind, pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { find } from './found.ts'

/** One place to go anywhere from: over every page by Ctrl+K, and a page of its own without JavaScript. */
export function paletteRoutes(deps: Pick<Deps, 'db'> & Parameters<typeof requireSignIn>[0]): Router {
  const router = Router()
  router.use('/palette', requireSignIn(deps))

  router.get('/palette', async (req, res) => {
    if (!wantsFragment(req)) {
      return render(res, 'palette/index', { found: await find(deps, res, req.query.q, '/images') })
    }
    const found = await find(deps, res, '', pageBehind(req))
    sendFragments(res, renderView(pageOf(res), 'palette/_list', { found }))
  })

  router.get('/palette/found', async (req, res) => {
    const found = await find(deps, res, req.query.q, localPath(req.query.back, '/images'))
    sendFragments(res, renderView(pageOf(res), 'palette/_found', { found }))
  })

  return router
}
