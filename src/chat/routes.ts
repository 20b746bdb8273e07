import { Router } from 'express'
import { keepCurrent, openKeyOf } from '../account/current.ts'
import { accountOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { requireSignIn } from '../session/guard.ts'
import type { EventStreams } from '../web/event-stream.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { askRoutes } from './ask-routes.ts'
import { callRoutes } from './call-routes.ts'
import { conversationRoutes } from './conversation-routes.ts'
import { draftRoutes } from './draft-routes.ts'
import { lineRoutes } from './line-routes.ts'
import { liveRoutes } from './live-routes.ts'
import { myConversation, partOf } from './lookup.ts'
import { messageRoutes } from './message-routes.ts'
import { newestHit, wordsToFind } from './page/found.ts'
import { listOf, showPage } from './page/page.ts'
import { settingsRoutes } from './settings-routes.ts'
import { letGo } from './unfinished.ts'

/** Conversations with a text model, and the pictures that come of them. */
export function chatRoutes(deps: Deps, streams: EventStreams): Router {
  const router = Router()
  router.use('/chat', requireSignIn(deps, ['text', 'title', 'instructions', 'prompt']))

  router.get('/chat', async (req, res) => {
    await keepCurrent(deps, res)
    await showPage(deps, req, res, null)
  })

  router.get('/chat/list', async (req, res) => {
    const list = await listOf(deps.db, req, res, null)
    if (!wantsFragment(req)) return res.redirect(303, `/chat?${new URLSearchParams({ q: list.search })}`)
    sendFragments(res, renderView(pageOf(res), req.query.before ? 'chat/_rows' : 'chat/_list', { list }))
  })

  router.get('/chat/:id', async (req, res) => {
    const conversation = await myConversation(deps.db, req, res)
    const newest = partOf(req).at ? null : await newestHit(deps.db, conversation, wordsToFind(req.query))
    if (newest) return res.redirect(303, newest)
    await keepCurrent(deps, res)
    const openKey = openKeyOf(accountOf(res))
    if (openKey) await letGo(deps, conversation.userId, openKey)
    await showPage(deps, req, res, conversation)
  })

  router.use(
    settingsRoutes(deps),
    askRoutes(deps),
    draftRoutes(deps),
    lineRoutes(deps),
    callRoutes(deps),
    conversationRoutes(deps),
    messageRoutes(deps),
    liveRoutes(deps, streams),
  )
  return router
}
