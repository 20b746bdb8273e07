import { Router } from 'express'
import type { Deps } from '../deps.ts'
import { Refusal } from '../web/errors.ts'
import { parse, readText } from '../web/parse.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { isVisible } from '../web/text.ts'
import { exportMarkdown, placesAt } from './archive/export.ts'
import { tellChange } from './archive/keep.ts'
import { takeSnapshot } from './archive/snapshot.ts'
import { loadBranch } from './branch.ts'
import { stemOf } from './conversation-name.ts'
import { setConversationInstructions, setDeleted, setPinned, setTitle } from './conversation-queries.ts'
import { done, myConversation, originOf, partOf } from './lookup.ts'
import { findLeafBelow } from './message-queries.ts'
import { tellPages } from './notify-queries.ts'
import { listUnfinished, stopReply } from './reply-queries.ts'
import { LONGEST_INSTRUCTIONS, OnOff } from './settings-routes.ts'

const LONGEST_TITLE = 200

/** What is done to one conversation as a whole. */
export function conversationRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()

  router.post('/chat/:id/title', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    const title = readText(req.body, 'title', LONGEST_TITLE)
    if (!isVisible(title)) throw new Refusal(422, 'chat.title_empty')
    await db.transaction(async tx => {
      await setTitle(tx, conversation, title)
      await tellPages(tx, conversation.id, 'change')
      await tellChange(tx, conversation)
    })
    if (!wantsFragment(req)) return done(req, res, conversation)
    sendFragments(res, renderView(pageOf(res), 'chat/_renamed', { id: conversation.id, title }))
  })

  router.post('/chat/:id/instructions', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    const instructions = readText(req.body, 'instructions', LONGEST_INSTRUCTIONS)
    await db.transaction(async tx => {
      await setConversationInstructions(tx, conversation, instructions)
      await tellChange(tx, conversation)
    })
    done(req, res, conversation)
  })

  router.post('/chat/:id/pin', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    await setPinned(db, conversation, parse(OnOff, req.body).value === 'on')
    res.redirect(303, `/chat/${conversation.id}`)
  })

  router.post('/chat/:id/delete', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    await db.transaction(async tx => {
      await setDeleted(tx, conversation, true)
      // What nobody will read is not paid for.
      for (const reply of await listUnfinished(tx, conversation.id)) await stopReply(tx, reply)
      await tellPages(tx, conversation.id, 'change')
    })
    res.redirect(303, `/chat?deleted=${conversation.id}`)
  })

  router.post('/chat/:id/restore', async (req, res) => {
    const conversation = await myConversation(db, req, res, { deleted: true })
    await setDeleted(db, conversation, false)
    res.redirect(303, `/chat/${conversation.id}`)
  })

  router.get('/chat/:id/export.md', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    const { at } = partOf(req)
    const branch = await loadBranch(
      db,
      conversation,
      at ? await findLeafBelow(db, conversation, at) : conversation.head,
    )
    res
      .attachment(`${stemOf(conversation)}.md`)
      .set('Cache-Control', 'no-store')
      .type('text/markdown')
    res.send(exportMarkdown(conversation, branch, pageOf(res).t, placesAt(originOf(deps, req))))
  })

  router.get('/chat/:id/export.json', async (req, res) => {
    const conversation = await myConversation(db, req, res)
    res
      .attachment(`${stemOf(conversation)}.json`)
      .set('Cache-Control', 'no-store')
      .type('json')
    res.send(`${JSON.stringify(await takeSnapshot(db, conversation), null, 2)}\n`)
  })

  return router
}
