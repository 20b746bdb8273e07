import { Router } from 'express'
import { accountOf, reloadViewer } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { findSignedIn } from '../session/queries.ts'
import { Refusal } from '../web/errors.ts'
import type { EventStreams } from '../web/event-stream.ts'
import { pageOf, renderView, sendFragments } from '../web/render.ts'
import { myConversation, partOf } from './lookup.ts'
import { followThread, tidy } from './page/live.ts'
import { loadThread } from './page/thread.ts'

/** How an open page hears of what is new. */
export function liveRoutes(deps: Deps, streams: EventStreams): Router {
  const { db } = deps
  const router = Router()

  router.get('/chat/:id/events', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    const { userId, signInId } = signedIn(res)
    const stream = streams.open(req, res, String(userId))
    if (!stream) throw new Refusal(429, 'errors.rate_limited', { seconds: 30 }, 30)
    // A browser that signed out elsewhere hears nothing more.
    const timer = setInterval(() => {
      findSignedIn(db, signInId).then(
        still => still ?? stream.end(),
        () => stream.end(),
      )
    }, deps.config.streams.checkSignInSeconds * 1000)
    stream.onClose(() => clearInterval(timer))
    const page = {
      render: <K extends Parameters<typeof renderView>[1]>(view: K, data: Parameters<typeof renderView<K>>[2]) =>
        tidy(renderView(pageOf(res), view, data)),
      account: async () => accountOf(res),
      refresh: () => reloadViewer(deps, res),
    }
    followThread(deps, page, conversation, partOf(req), stream, typeof req.query.v === 'string' ? req.query.v : '')
  })

  // What stands above a message, into the page that has that.
  router.get('/chat/:id/older', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    const { view } = await loadThread(deps, conversation, partOf(req), accountOf(res))
    sendFragments(res, renderView(pageOf(res), 'chat/_above', { thread: view }))
  })

  // For browsers, and networks, that let no stream through.
  router.get('/chat/:id/pulse', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    const part = partOf(req)
    const { view } = await loadThread(deps, conversation, part, accountOf(res))
    if (view.pulse === req.query.v) return res.status(204).end()
    await reloadViewer(deps, res)
    const page = pageOf(res)
    sendFragments(
      res,
      renderView(page, 'chat/_sync', { thread: view, anew: view.first !== part.from }),
      renderView(page, 'chat/_balance', {}),
    )
  })

  return router
}
