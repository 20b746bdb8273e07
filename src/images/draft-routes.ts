import { type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { setOffered } from './draft-queries.ts'

/** Puts a draft that is offered again out of the way, and back. */
export function draftRoutes({ db }: Pick<Deps, 'db'>): Router {
  const router = Router()

  router.post('/images/drafts/:id/away', async (req, res) => {
    const id = await offer(res, req.params.id, false)
    res.redirect(303, `/images?away=${id}`)
  })

  router.post('/images/drafts/:id/back', async (req, res) => {
    await offer(res, req.params.id, true)
    res.redirect(303, '/images')
  })

  return router

  async function offer(res: Response, id: unknown, offered: boolean): Promise<string> {
    const page = parseId(id)
    if (!(await setOffered(db, signedIn(res).userId, page, offered))) throw new Refusal(404, 'errors.not_found')
    return page
  }
}

/** The draft that an address names as put away, which can be undone. */
export function putAwayBy(query: unknown): string | null {
  return z.guid().safeParse(query).data ?? null
}
