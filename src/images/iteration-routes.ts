import { type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { viewPicture } from '../library/picture-view.ts'
import { findPicture, type Picture } from '../library/queries.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { keepMasked } from './paste-masked.ts'

/** What can be done with a result that was made with a mask: under the picture's address, but with the mask of its job. */
export function iterationRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const composes = createRateLimit(db, { name: 'compose', points: 30, seconds: 60, refusal: 'errors.rate_limited' })

  router.post('/library/:id/keep-masked', requireSignIn(deps), async (req, res) => {
    const result = await myPicture(res, parseId(req.params.id))
    await composes.consume(String(result.userId))
    const id = await keepMasked(deps, result)
    if (!wantsFragment(req)) return res.redirect(303, `/library/${id}`)
    const picture = viewPicture(await myPicture(res, id))
    sendFragments(res, renderView(pageOf(res), 'library/_tile', { picture }))
  })

  async function myPicture(res: Response, id: string): Promise<Picture> {
    const picture = await findPicture(db, signedIn(res).userId, id)
    if (!picture) throw new Refusal(404, 'errors.not_found')
    return picture
  }

  return router
}
