import { Router } from 'express'
import type { Deps } from '../deps.ts'
import { rowOf } from '../spend/evidence.ts'
import { decide, lookAtOnce } from '../spend/in-doubt.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { inTurn } from '../web/turns.ts'
import { answerCalls } from './answer/receipts.ts'
import { tellChange } from './archive/keep.ts'
import { askingLock, findConversation, setHead } from './conversation-queries.ts'
import { done, isElsewhere, myConversation, myMessage, myReply } from './lookup.ts'
import { deleteMessages, findLeafBelow, restoreMessages } from './message-queries.ts'
import { tellPages } from './notify-queries.ts'

/** A message goes with all that follows from it, and comes back as it was. */
export function messageRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const checks = createRateLimit(db, { name: 'check', points: 20, seconds: 60, refusal: 'errors.rate_limited' })

  router.post('/chat/:id/messages/:message/check', async (req, res) => {
    const { conversation, reply } = await myReply(db, req, res)
    await checks.consume(String(conversation.userId))
    await lookAtOnce(deps, answerCalls, reply.userId, reply.messageId)
    done(req, res, conversation)
  })

  router.post('/chat/:id/messages/:message/decide', async (req, res) => {
    const { conversation, reply } = await myReply(db, req, res)
    const isDecided = await decide(deps, answerCalls, reply.userId, reply.messageId, rowOf(req.body))
    if (!isDecided) throw new Refusal(409, 'spend.gone')
    done(req, res, conversation)
  })

  router.post('/chat/:id/messages/:message/delete', async (req, res) => {
    const { conversation, message } = await myMessage(db, req, res)
    await inTurn(db, askingLock, conversation, async tx => {
      if (!(await deleteMessages(tx, message))) throw new Refusal(409, 'chat.still_writing')
      const current = await findConversation(tx, conversation.userId, conversation.id)
      // The shown branch may have gone: what stands beside or above the message is shown then.
      const isShown = current?.head && (await findLeafBelow(tx, conversation, current.head))
      if (!isShown) await setHead(tx, conversation, await findLeafBelow(tx, conversation, message.parentId))
      await tellPages(tx, conversation.id, 'change')
      await tellChange(tx, conversation)
    })
    const address = `/chat/${conversation.id}?removed=${message.id}`
    if (!wantsFragment(req)) return res.redirect(303, address)
    if (isElsewhere(req)) return void res.set('HX-Redirect', address).status(204).end()
    sendFragments(
      res,
      renderView(pageOf(res), 'chat/_removed', { removed: { conversationId: conversation.id, messageId: message.id } }),
    )
  })

  router.post('/chat/:id/messages/:message/restore', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    const messageId = parseId(req.params.message)
    await inTurn(db, askingLock, conversation, async tx => {
      if (!(await restoreMessages(tx, conversation, messageId))) throw new Refusal(404, 'errors.not_found')
      await setHead(tx, conversation, await findLeafBelow(tx, conversation, messageId))
      await tellPages(tx, conversation.id, 'change')
      await tellChange(tx, conversation)
    })
    if (wantsFragment(req)) sendFragments(res, renderView(pageOf(res), 'chat/_removed', { removed: null }))
    else done(req, res, conversation)
  })

  return router
}
