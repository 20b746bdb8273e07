import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { chooseKeyNamed } from '../account/choose.ts'
import { keepCurrent } from '../account/current.ts'
import { requesterOf } from '../account/requester.ts'
import { accountOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { originOf as draftOrigin } from '../images/draft.ts'
import { viewRefused } from '../library/refused.ts'
import { signedIn } from '../session/guard.ts'
import { oneAfterAnother } from '../spend/budgets.ts'
import { isForLater, isForPage, Refusal, type Said, saidOf } from '../web/errors.ts'
import type { Translate } from '../web/i18n.ts'
import { parseId, refuseUnknownFields, unknownField } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { logBegun } from '../web/request-log.ts'
import { submissionOf } from '../web/submission.ts'
import { characters, isVisible } from '../web/text.ts'
import { acceptUploads } from '../web/uploads.ts'
import { placesAt, withPictures } from './archive/export.ts'
import { answerAgain, askQuestion, LONGEST_MESSAGE, MOST_ATTACHMENTS, type Place } from './ask.ts'
import { findNamedLeaf } from './branch.ts'
import { type Conversation, findConversation } from './conversation-queries.ts'
import { deleteDraft, deleteNewDraft, upsertDraft, upsertNewDraft } from './draft-queries.ts'
import { type ChatForm, chatFields, chooseModel, draftOf, readChatForm, without } from './form.ts'
import { done, isElsewhere, myConversation, myReply, originOf } from './lookup.ts'
import { findText, listAttachments } from './message-queries.ts'
import { listChatModels } from './models.ts'
import { showPage } from './page/page.ts'
import { composerReader, uploadLimits } from './read-composer.ts'
import { findSettings, type Settings, setChoice } from './settings-queries.ts'
import { payInstead, stopAnswer } from './unfinished.ts'

/** What is said, with its files and its draft; stopping an answer, and asking for another one. */
export function askRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const asks = createRateLimit(db, { name: 'ask', points: 60, seconds: 60, refusal: 'errors.rate_limited' })
  const { keepUploads, readComposer } = composerReader(deps)

  router.post('/chat', acceptUploads(uploadLimits), (req, res) => ask(req, res, null))
  router.post('/chat/:id/messages', acceptUploads(uploadLimits), async (req, res) =>
    ask(req, res, await myConversation(db, req, res)),
  )

  router.post('/chat/:id/messages/:message/again', async (req, res) => {
    const { conversation, message, reply } = await myReply(db, req, res)
    refuseUnknownFields(req, ['submission'])
    if (reply.finishedAt === null) throw new Refusal(409, 'chat.still_writing')
    await asks.consume(String(conversation.userId))
    await keepCurrent(deps, res)
    const settings = await findSettings(db, conversation.userId)
    const models = await listChatModels(deps, signedIn(res).caller, accountOf(res))
    const { submission } = readChatForm(req.body)
    const choice = chooseModel(models, {}, { ...reply, ...chosen(settings) })
    const once = submission ? submissionOf(submission, `another answer beside ${message.id}`) : randomUUID()
    const asker = requesterOf(res)
    await oneAfterAnother(() => answerAgain(deps, asker, conversation, { message, reply }, choice, once))
    done(req, res, conversation)
  })

  router.post('/chat/:id/messages/:message/stop', acceptUploads(uploadLimits), async (req, res) => {
    const { conversation, reply } = await myReply(db, req, res)
    // The composer's button: without JavaScript, what was typed comes along and must not go.
    const isComposer = !wantsFragment(req) && req.body?.conversation === conversation.id
    if (isComposer) await keepDraft(req, conversation.userId, conversation.id, await readComposer(req, res))
    await stopAnswer(deps, reply)
    done(req, res, conversation)
  })

  router.post('/chat/:id/messages/:message/move', async (req, res) => {
    const { conversation, reply } = await myReply(db, req, res)
    refuseUnknownFields(req, [])
    await keepCurrent(deps, res)
    await payInstead(deps, requesterOf(res), reply)
    done(req, res, conversation)
  })

  router.get('/chat/:id/messages/:message/text', async (req, res) => {
    const { message, reply } = await myReply(db, req, res)
    const attachments = await listAttachments(db, [message.id])
    const text = withPictures({ reply, attachments }, placesAt(originOf(deps, req)))
    res.set('Cache-Control', 'no-store').type('text/plain').send(text)
  })

  router.get('/chat/texts/:id', async (req, res) => {
    const text = await findText(db, signedIn(res).userId, parseId(req.params.id))
    if (!text) throw new Refusal(404, 'errors.not_found')
    res.attachment(text.name).set('Cache-Control', 'no-store').type('text/plain').send(text.text)
  })

  // Kept while one types; without JavaScript, a file is taken out of it.
  router.post('/chat/draft', acceptUploads(uploadLimits), async (req, res) => {
    const { userId } = signedIn(res)
    const id = z.guid().safeParse(req.body?.conversation).data
    const form = without(await readComposer(req, res), String(req.body?.remove ?? ''))
    await keepDraft(req, userId, id, form)
    if (wantsFragment(req)) return res.status(204).end()
    await showPage(deps, req, res, id ? await findConversation(db, userId, id) : null, { form })
  })

  // Another key in place of one that cannot pay now; what was typed comes along.
  router.post('/chat/key', acceptUploads(uploadLimits), async (req, res) => {
    const { userId } = signedIn(res)
    const form = await readComposer(req, res)
    const conversation = z.guid().safeParse(req.body?.conversation).data
    await keepDraft(req, userId, conversation, form)
    const refused = await chooseKeyNamed(deps, res, req.body?.key_id)
    const back = refused ? '/account#keys' : conversation ? `/chat/${conversation}` : '/chat'
    if (!wantsFragment(req)) return res.redirect(303, back)
    res.set('HX-Redirect', back).status(204).end()
  })

  router.post('/chat/files', acceptUploads(uploadLimits), async (req, res) => {
    const { attachments, refused } = await keepUploads(req, res)
    const page = pageOf(res)
    sendFragments(
      res.status(attachments.length > 0 ? 200 : 422),
      ...attachments.map(attachment => renderView(page, 'chat/_attachment', { attachment })),
      ...viewRefused(page.t, refused, MOST_ATTACHMENTS).map(file =>
        renderView(page, 'library/_refused', { file, to: '/chat/draft', swaps: false }),
      ),
    )
  })

  async function keepDraft(req: Request, userId: number, conversationId: string | undefined, form: ChatForm) {
    const draft = draftOf(form)
    if (conversationId) await upsertDraft(db, userId, conversationId, draft, form.submission)
    else await upsertNewDraft(db, userId, draft, form.submission, draftOrigin(req.body))
  }

  async function ask(req: Request, res: Response, conversation: Conversation | null): Promise<void> {
    const { userId, caller } = signedIn(res)
    const { t } = pageOf(res)
    const form = await readComposer(req, res)
    await keepCurrent(deps, res)
    const choice = chooseModel(await listChatModels(deps, caller, accountOf(res)), form, await findSettings(db, userId))
    const unknown = unknownField(req, chatFields)
    const wrong = unknown ? t('errors.unknown_field', { field: unknown }) : whatIsWrong(form, t)
    if (wrong) return refuse(req, res.status(422), conversation, form, { sentence: wrong, see: null })
    const parentId = await parentOf(conversation, form)
    const isComposer = !conversation || req.body?.conversation !== undefined
    const atEnd = isComposer || form.parent === null
    const place: Place = conversation ? { conversation, parentId, atEnd } : { instructions: '' }
    try {
      await asks.consume(String(userId))
      const question = { text: form.text, attachments: form.attachments, ...choice }
      const submission = form.submission ?? randomUUID()
      const asker = requesterOf(res)
      const asked = await oneAfterAnother(() => askQuestion(deps, asker, place, question, submission))
      await setChoice(db, userId, choice)
      if (!conversation) await deleteNewDraft(db, userId, draftOrigin(req.body))
      else if (isComposer) await deleteDraft(db, userId, conversation.id)
      logBegun(res, { conversation: asked.conversationId })
      const address = `/chat/${asked.conversationId}`
      if (!wantsFragment(req)) return res.redirect(303, address)
      // On another branch than the newest the page would not see what was asked: it goes there.
      if (!conversation || isElsewhere(req)) return void res.set('HX-Redirect', address).status(204).end()
      // The box was emptied when it was sent; what was said, and the button to stop, come by the page's stream.
      if (isComposer) sendFragments(res, renderView(pageOf(res), 'chat/_asked', { submission: randomUUID() }))
      else res.status(204).end()
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 404 || isForPage(req, error)) throw error
      if (error.retryAfter) res.set('Retry-After', String(error.retryAfter))
      res.status(isForLater(error) ? error.status : 422)
      // Shown again, the form goes on from where the conversation is now.
      const current = conversation && (await findConversation(db, userId, conversation.id))
      await refuse(req, res, current, atEnd ? { ...form, parent: null } : form, saidOf(error, t))
    }
  }

  /** What the message goes below; null: it begins the conversation. */
  async function parentOf(conversation: Conversation | null, { parent }: ChatForm): Promise<string | null> {
    if (!conversation || parent === '') return null
    return parent === null ? conversation.head : findNamedLeaf(db, conversation, parent)
  }

  /** The same form with a sentence above it; nothing was asked. */
  async function refuse(
    req: Request,
    res: Response,
    conversation: Conversation | null,
    form: ChatForm,
    said: Said,
  ): Promise<void> {
    if (!wantsFragment(req)) return showPage(deps, req, res, conversation, { form, error: said })
    sendFragments(res, renderView(pageOf(res), 'chat/_refusal', { said }))
  }

  return router
}

function whatIsWrong({ text, attachments, refused }: ChatForm, t: Translate): string | null {
  if (refused.length > 0) return t('common.held_refused')
  if (!isVisible(text) && attachments.length === 0) return t('chat.empty_message')
  const count = characters(text)
  return count > LONGEST_MESSAGE ? t('chat.too_long', { count, limit: LONGEST_MESSAGE }) : null
}

function chosen({ model, effort }: Settings) {
  return model ? { model, effort } : {}
}
