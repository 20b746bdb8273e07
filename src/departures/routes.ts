import { type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { forget } from '../session/session-data.ts'
import { parse } from '../web/parse.ts'
import { pageOf, render } from '../web/render.ts'
import { depart } from './leave.ts'
import { countAll } from './rooms.ts'

const Typed = z.object({ email: z.string().max(1000).default('') })

/** Deletes a person's account here; that of the gateway is not ours. */
export function departureRoutes(deps: Deps): Router {
  const router = Router()
  router.use('/account/delete', requireSignIn(deps))

  router.get('/account/delete', (_req, res) => ask(res, false))

  router.post('/account/delete', async (req, res) => {
    const { userId, email } = signedIn(res)
    const typed = parse(Typed, req.body).email.trim().toLowerCase()
    if (typed !== email.trim().toLowerCase()) return ask(res.status(422), true)
    await depart(deps, userId)
    await forget(req, res, deps.config)
    res.redirect(303, '/login?signed_out=gone')
  })

  /** With what there is to lose. */
  async function ask(res: Response, isWrong: boolean): Promise<void> {
    const { userId, email } = signedIn(res)
    const { pictures = 0, conversations = 0, shown = 0, sshKeys = 0 } = await countAll(deps.db, userId)
    const error = isWrong ? pageOf(res).t('departures.wrong', { email }) : null
    render(res, 'departures/index', { email, counts: { pictures, conversations, shown, sshKeys }, error })
  }

  return router
}
