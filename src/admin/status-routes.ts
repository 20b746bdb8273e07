import { Router } from 'express'
import type { Deps } from '../deps.ts'
import type { Bulletin } from '../operators/bulletin.ts'
import { render } from '../web/render.ts'
import { openStatus } from './status.ts'

/** The page for everybody, where the operator wants one. */
export function statusRoutes(deps: Pick<Deps, 'db'>, bulletin: () => Promise<Bulletin>): Router {
  const router = Router()
  const status = openStatus(deps, bulletin)
  router.get('/status', async (_req, res) => {
    render(res, 'admin/status', { status: await status() })
  })
  return router
}
