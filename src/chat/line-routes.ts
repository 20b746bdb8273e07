import { type Request, type Response, Router } from 'express'
import { keepCurrent } from '../account/current.ts'
import { requesterOf } from '../account/requester.ts'
import type { Deps } from '../deps.ts'
import { oneAfterAnother } from '../spend/budgets.ts'
import { parseId } from '../web/parse.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { acceptUploads } from '../web/uploads.ts'
import { viewAttachments } from './attachments.ts'
import type { Conversation } from './conversation-queries.ts'
import { upsertDraft } from './draft-queries.ts'
import { draftOf } from './form.ts'
import { removeFromLine, restoreToLine, sendNow, takeBack } from './line.ts'
import { done, myConversation } from './lookup.ts'
import { showPage } from './page/page.ts'
import { composerReader, uploadLimits } from './read-composer.ts'

/** Messages that wait for the end of an answer: sent at once, written anew, removed, and brought back. */
export function lineRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const { readComposer } = composerReader(deps)

  router.post('/chat/:id/line/:row/send', acceptUploads(uploadLimits), async (req, res) => {
    const { conversation, row } = await myRow(req, res)
    await keepDraft(req, res, conversation)
    await keepCurrent(deps, res)
    const asker = requesterOf(res)
    await oneAfterAnother(() => sendNow(deps, asker, conversation, row))
    done(req, res, conversation)
  })

  /** Into the box, above what is typed there. */
  router.post('/chat/:id/line/:row/edit', acceptUploads(uploadLimits), async (req, res) => {
    const { conversation, row } = await myRow(req, res)
    const typed = await readComposer(req, res)
    const { row: taken, form } = await takeBack(deps, conversation, row, typed)
    if (!wantsFragment(req)) return showPage(deps, req, res, conversation, { form })
    const attachments = await viewAttachments(db, conversation.userId, taken.attachments)
    sendFragments(res, renderView(pageOf(res), 'chat/_taken_back', { text: taken.text, attachments }))
  })

  router.post('/chat/:id/line/:row/remove', acceptUploads(uploadLimits), async (req, res) => {
    const { conversation, row } = await myRow(req, res)
    await keepDraft(req, res, conversation)
    await removeFromLine(deps, conversation, row)
    if (!wantsFragment(req)) return res.redirect(303, `/chat/${conversation.id}?unlined=${row}`)
    sendFragments(
      res,
      renderView(pageOf(res), 'chat/_unlined', { unlined: { conversationId: conversation.id, rowId: row } }),
    )
  })

  router.post('/chat/:id/line/:row/restore', async (req, res) => {
    const { conversation, row } = await myRow(req, res)
    await restoreToLine(deps, conversation, row)
    if (wantsFragment(req)) sendFragments(res, renderView(pageOf(res), 'chat/_unlined', { unlined: null }))
    else done(req, res, conversation)
  })

  async function myRow(req: Request, res: Response): Promise<{ conversation: Conversation; row: string }> {
    const conversation = await myConversation(db, req, res)
    return { conversation, row: parseId(req.params.row) }
  }

  /** The button is one of the composer's form: without JavaScript, what was typed comes along and must not go. */
  async function keepDraft(req: Request, res: Response, { id, userId }: Conversation): Promise<void> {
    if (wantsFragment(req)) return
    const form = await readComposer(req, res)
    await upsertDraft(db, userId, id, draftOf(form), form.submission)
  }

  return router
}
