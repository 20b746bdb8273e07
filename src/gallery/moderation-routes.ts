import { type Request, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { bareChecksum } from '../library/uploads.ts'
import { requireOperator } from '../operators/guard.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId, readText } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { render } from '../web/render.ts'
import { judge, listHidden, listReported, reasons, upsertReport } from './moderation-queries.ts'
import { findShown, type Shown } from './queries.ts'

const REPORTS_SHOWN = 100
const LONGEST_REASON = 300
const LONGEST_REPORT = 1000

/** Reports of anyone who is signed in, and what operators make of them. */
export function moderationRoutes(deps: Deps, isPerson: RequestHandler): Router {
  const { db, log } = deps
  const router = Router()
  const isOperator = requireOperator(deps, ['reason'])
  const reports = createRateLimit(db, { name: 'report', points: 30, seconds: 3600, refusal: 'errors.rate_limited' })

  router.get('/gallery/reports', isOperator, async (_req: Request, res: Response) => {
    render(res, 'gallery/reports', {
      reported: await listReported(db, REPORTS_SHOWN),
      hidden: await listHidden(db, REPORTS_SHOWN),
    })
  })

  router.post('/gallery/:id/report', isPerson, async (req, res) => {
    const { userId } = signedIn(res)
    const exhibit = await someExhibit(req)
    if (exhibit.hiddenBecause !== null) throw new Refusal(404, 'gallery.gone')
    if (exhibit.userId === userId) throw new Refusal(403, 'gallery.report.own')
    const { reason } = parse(z.looseObject({ reason: z.enum(reasons) }), req.body)
    const words = readText(req.body, 'words', LONGEST_REPORT)
    await reports.consume(String(userId))
    await upsertReport(db, { exhibitId: exhibit.id, userId, reason, words })
    res.redirect(303, `/${exhibit.isListed ? 'gallery' : 'shared'}/${exhibit.id}#report`)
  })

  router.post('/gallery/:id/judge', isOperator, async (req: Request, res: Response) => {
    const { userId } = signedIn(res)
    const exhibit = await someExhibit(req)
    const { did } = parse(z.looseObject({ did: z.enum(['hide', 'show', 'dismiss']) }), req.body)
    const reason = did === 'hide' ? readText(req.body, 'reason', LONGEST_REASON) : ''
    if (did === 'hide' && reason === '') throw new Refusal(422, 'gallery.hide.reason_missing')
    const bare = did === 'hide' ? await bareChecksum(deps, exhibit.token) : null
    await db.transaction(tx => judge(tx, userId, exhibit, did, { reason, bare }))
    // What hangs and was not looked at yet may show the same.
    if (did === 'hide') await deps.jobs.send(db, 'housekeeping', {})
    log.info({ admin: userId, did, exhibit: exhibit.id, author: exhibit.userId }, 'an operator judged an exhibit')
    res.redirect(303, '/gallery/reports')
  })

  async function someExhibit(req: Request): Promise<Shown> {
    const exhibit = await findShown(db, parseId(req.params.id), null)
    if (!exhibit) throw new Refusal(404, 'gallery.gone')
    return exhibit
  }

  return router
}
