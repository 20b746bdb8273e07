import { Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { parse } from '../web/parse.ts'
import { render } from '../web/render.ts'
import { changePictures } from './change.ts'
import { findUse, listTrash } from './storage-queries.ts'
import { withUndo } from './with-undo.ts'

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
    const { userId } = signedIn(res)
    const ids = await listTrash(db, userId, new Date(as_of))
    const change = await changePictures(deps, userId, ids, { did: 'empty' })
    await deps.jobs.send(db, 'housekeeping', {})
    res.redirect(303, change ? withUndo('/library/trash', change.id) : '/library/trash')
  })

  return router
}
