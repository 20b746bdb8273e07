import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { listPicturesOfJobs } from '../library/queries.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId } from '../web/parse.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { dismissJobs, listForNothing, recallJobs } from './dismiss-queries.ts'

const Moment = z.looseObject({ at: z.iso.datetime() })

/** Puts what came to nothing out of the way, and back. */
export function dismissRoutes({ db }: Pick<Deps, 'db'>): Router {
  const router = Router()

  router.post('/images/dismiss', async (req, res) => {
    await dismiss(req, res, null)
  })

  router.post('/images/:id/dismiss', async (req, res) => {
    await dismiss(req, res, parseId(req.params.id))
  })

  router.post('/images/dismiss/undo', async (req, res) => {
    const { at } = parse(Moment, req.body)
    if ((await recallJobs(db, signedIn(res).userId, at)) === 0) throw new Refusal(404, 'errors.not_found')
    res.redirect(303, '/images')
  })

  return router

  async function dismiss(req: Request, res: Response, id: string | null): Promise<void> {
    const { userId } = signedIn(res)
    const ended = await listForNothing(db, userId, id)
    const withPictures = new Set((await listPicturesOfJobs(db, userId, ended)).map(({ jobId }) => jobId))
    const forNothing = ended.filter(job => !withPictures.has(job))
    const { ids, at } = await dismissJobs(db, userId, forNothing)
    if (id && !at) throw new Refusal(404, 'errors.not_found')
    if (!wantsFragment(req))
      return res.redirect(303, at ? `/images?${new URLSearchParams({ dismissed: at })}` : '/images')
    sendFragments(res, renderView(pageOf(res), 'images/_dismissed', { ids, at }))
  }
}

/** The moment that an address names, as one that can be undone. */
export function dismissedAt(query: unknown): string | null {
  return z.iso.datetime().safeParse(query).data ?? null
}
