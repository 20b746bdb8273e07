import { type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { setOffered } from './draft-queries.ts'

/** Puts a draft of a new conversation that is offered again out of the way, and back. */
export function draftRoutes({ db }: Pick<Deps, 'db'>): Router {
  const router = Router()

  router.post('/chat/drafts/:id/away', async (req, res) => {
    const id = await offer(res, req.params.id, false)
    res.redirect(303, `/chat?away=${id}`)
  })

  router.post('/chat/drafts/:id/back', async (req, res) => {
    await offer(res, req.params.id, true)
    res.redirect(303, '/chat')
  })

  return router

  async function offer(res: Response, id: unknown, offered: boolean): Promise<string> {
    const page = parseId(id)
    if (!(await setOffered(db, signedIn(res).userId, page, offered))) throw new Refusal(404, 'errors.not_found')
    return page
  }
}
