import { Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { countOpenReports } from '../gallery/moderation-queries.ts'
import { listActs } from '../operators/act-queries.ts'
import { requireOperator } from '../operators/guard.ts'
import { render } from '../web/render.ts'
import { bulletinRoutes } from './bulletin-routes.ts'
import { viewActs, viewLog } from './log.ts'

const ACTS_FIRST = 5
const Id = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER)

/** What whoever runs this place sees of it, and does about it. */
export function adminRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  router.use('/admin', requireOperator(deps))

  router.get('/admin', async (_req, res) => {
    const acts = await viewActs(db, await listActs(db, { who: null, before: null, limit: ACTS_FIRST }))
    render(res, 'admin/index', { overview: { openReports: await countOpenReports(db), acts } })
  })

  router.get('/admin/log', async (req, res) => {
    render(res, 'admin/log', { log: await viewLog(db, idOf(req.query.who), idOf(req.query.before)) })
  })

  router.use(bulletinRoutes(deps))

  return router
}

/** Null for anything that is no number of a row. */
export function idOf(value: unknown): number | null {
  return Id.safeParse(value).data ?? null
}
