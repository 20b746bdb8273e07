import { Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { parse } from '../web/parse.ts'
import { render } from '../web/render.ts'
import { emptyTrashOf, findUse } from './storage-queries.ts'

const Emptied = z.object({ as_of: z.iso.datetime() })

/** How much room a person's files take, and what sets it free. */
export function storageRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()

  router.get('/library/storage', async (_req, res) => {
    const use = await findUse(db, signedIn(res).userId)
    render(res, 'library/storage', { use: { ...use, limit: deps.config.limits.storagePerUser } })
  })

  /** Only what was there when somebody saw it. */
  router.post('/library/trash/empty', async (req, res) => {
    const { as_of } = parse(Emptied, req.body)
    await db.transaction(async tx => {
      await emptyTrashOf(tx, signedIn(res).userId, new Date(as_of))
      await deps.jobs.send(tx, 'housekeeping', {})
    })
    res.redirect(303, '/library/trash')
  })

  return router
}
