import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { accountOf, reloadViewer } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { checkRequest, readForm as readImageForm, sizeOf } from '../images/prompt.ts'
import { requesterOf } from '../images/requester.ts'
import { listFiles } from '../library/queries.ts'
import { keepUpload, UPLOAD_BYTES, UploadRefused } from '../library/uploads.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { findSignedIn } from '../session/queries.ts'
import { maxPixels } from '../storage/thumbnails.ts'
import { Refusal } from '../web/errors.ts'
import type { EventStreams } from '../web/event-stream.ts'
import { parseCursor } from '../web/paging.ts'
import { parse, parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { acceptUploads, type Upload, uploadsOf } from '../web/uploads.ts'
import { answerAgain, askQuestion, LONGEST_MESSAGE, MOST_ATTACHMENTS, type Place } from './ask.ts'
import { loadBranch } from './branch.ts'
import { exportMarkdown } from './export.ts'
import { type ChatForm, chooseModel, readChatForm } from './form.ts'
import { loadList, viewRow } from './list.ts'
import { followThread, pulseTag, tidy } from './live.ts'
import { listChatModels } from './models.ts'
import { decline, paint } from './paint.ts'
import * as queries from './queries.ts'
import { takeSnapshot } from './snapshot.ts'
import { loadThread, viewPicture } from './thread.ts'
import type { AttachmentView, ChatComposerView } from './view.ts'

const LONGEST_INSTRUCTIONS = 8_000
const LONGEST_TEXT_FILE = 256 * 1024
const CHECK_SIGN_IN_MS = 60_000
const uploadLimits = { files: MOST_ATTACHMENTS, bytes: UPLOAD_BYTES }

const Title = z.object({ title: z.string().trim().min(1).max(200) })
const Instructions = z.object({ instructions: z.string().trim().max(LONGEST_INSTRUCTIONS) })
const OwnSettings = Instructions.extend({ ask: z.enum(['on', 'off']) })
const OnOff = z.object({ value: z.enum(['on', 'off']) })
const Seq = z.coerce.number().int().min(-1).catch(-1)

/** Conversations with a text model, and the pictures that come of them. */
export function chatRoutes(deps: Deps, streams: EventStreams): Router {
  const { db } = deps
  const router = Router()
  const asks = createRateLimit(db, { name: 'ask', points: 60, seconds: 60, refusal: 'errors.rate_limited' })
  const uploads = createRateLimit(db, { name: 'upload', points: 240, seconds: 60, refusal: 'errors.rate_limited' })
  router.use('/chat', requireSignIn(deps))

  // Pages

  router.get('/chat', (req, res) => showPage(req, res, null))

  router.get('/chat/list', async (req, res) => {
    const page = pageOf(res)
    const list = await listOf(req, res, null)
    if (!wantsFragment(req)) return res.redirect(303, `/chat?${new URLSearchParams({ q: list.search })}`)
    sendFragments(res, renderView(page, req.query.before ? 'chat/_rows' : 'chat/_list', { list }))
  })

  router.get('/chat/:id', async (req, res) => showPage(req, res, await mine(req, res)))

  router.get('/chat/:id/events', async (req, res) => {
    const conversation = await mine(req, res)
    const { userId, signInId } = signedIn(res)
    const stream = streams.open(req, res, String(userId))
    if (!stream) throw new Refusal(429, 'errors.rate_limited', { seconds: 30 }, 30)
    // A browser that signed out elsewhere hears nothing more.
    const timer = setInterval(() => {
      findSignedIn(db, signInId).then(
        still => still ?? stream.end(),
        () => stream.end(),
      )
    }, CHECK_SIGN_IN_MS)
    stream.onClose(() => clearInterval(timer))
    const page = {
      render: <K extends Parameters<typeof renderView>[1]>(view: K, data: Parameters<typeof renderView<K>>[2]) =>
        tidy(renderView(pageOf(res), view, data)),
      account: async () => accountOf(res),
      refresh: () => reloadViewer(deps, res),
    }
    const shown = { tag: typeof req.query.v === 'string' ? req.query.v : '', seq: Seq.parse(req.query.seq) }
    followThread(deps, page, conversation, atOf(req), stream, shown)
  })

  // For browsers, and networks, that let no stream through.
  router.get('/chat/:id/pulse', async (req, res) => {
    const conversation = await mine(req, res)
    const { view } = await loadThread(db, conversation, atOf(req), accountOf(res))
    if (pulseTag(view) === req.query.v) return res.status(204).end()
    await reloadViewer(deps, res)
    const page = pageOf(res)
    sendFragments(res, renderView(page, 'chat/_sync', { thread: view }), renderView(page, 'chat/_balance', {}))
  })

  // Asking

  router.post('/chat', acceptUploads(uploadLimits), (req, res) => ask(req, res, null))
  router.post('/chat/:id/messages', acceptUploads(uploadLimits), async (req, res) =>
    ask(req, res, await mine(req, res)),
  )

  router.post('/chat/:id/messages/:message/again', async (req, res) => {
    const { conversation, message, reply } = await myReply(req, res)
    if (reply.finishedAt === null) throw new Refusal(409, 'chat.still_writing')
    await asks.consume(String(conversation.userId))
    const settings = await queries.findSettings(db, conversation.userId)
    const models = await listChatModels(deps, signedIn(res).caller, accountOf(res))
    await answerAgain(
      deps,
      requesterOf(res),
      conversation,
      { message, reply },
      chooseModel(models, {}, { ...reply, ...chosen(settings) }),
    )
    done(req, res, conversation)
  })

  router.post('/chat/:id/messages/:message/stop', async (req, res) => {
    const { conversation, reply } = await myReply(req, res)
    await queries.stopReply(db, reply)
    done(req, res, conversation)
  })

  router.get('/chat/:id/messages/:message/text', async (req, res) => {
    const { reply } = await myReply(req, res)
    res.set('Cache-Control', 'no-store').type('text/plain').send(reply.text)
  })

  // Pictures that the model proposes

  router.post('/chat/:id/calls/:message/paint', async (req, res) => {
    const { conversation, call } = await myCall(req, res)
    const values = readImageForm({ ...req.body, n: String(req.body?.n ?? call.n), references: call.sources })
    const checked = checkRequest(values, pageOf(res).t)
    if ('errors' in checked)
      return answerCard(req, res, conversation, call, values, Object.values(checked.errors).join(' '))
    const { prompt, n } = checked.request
    try {
      await paint(deps, requesterOf(res), call, { prompt, size: sizeOf(values), n })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return answerCard(req, res, conversation, call, values, pageOf(res).t(error.key, error.params))
    }
    done(req, res, conversation)
  })

  router.post('/chat/:id/calls/:message/decline', async (req, res) => {
    const { conversation, call } = await myCall(req, res)
    if (call.state === 'asked') await decline(deps, call)
    done(req, res, conversation)
  })

  // One conversation as a whole

  router.post('/chat/:id/title', async (req, res) => {
    const conversation = await mine(req, res)
    await queries.setTitle(db, conversation, parse(Title, req.body).title)
    await queries.tellPages(db, conversation.id, 'change')
    done(req, res, conversation)
  })

  router.post('/chat/:id/instructions', async (req, res) => {
    const conversation = await mine(req, res)
    await queries.setConversationInstructions(db, conversation, parse(Instructions, req.body).instructions)
    done(req, res, conversation)
  })

  router.post('/chat/:id/pin', async (req, res) => {
    const conversation = await mine(req, res)
    await queries.setPinned(db, conversation, parse(OnOff, req.body).value === 'on')
    res.redirect(303, `/chat/${conversation.id}`)
  })

  router.post('/chat/:id/delete', async (req, res) => {
    const conversation = await mine(req, res)
    await queries.setDeleted(db, conversation, true)
    await queries.tellPages(db, conversation.id, 'change')
    res.redirect(303, `/chat?deleted=${conversation.id}`)
  })

  router.post('/chat/:id/restore', async (req, res) => {
    const conversation = await mine(req, res, { deleted: true })
    await queries.setDeleted(db, conversation, false)
    res.redirect(303, `/chat/${conversation.id}`)
  })

  router.get('/chat/:id/export.md', async (req, res) => {
    const conversation = await mine(req, res)
    const at = atOf(req)
    const branch = await loadBranch(
      db,
      conversation,
      at ? await queries.findLeafBelow(db, conversation, at) : conversation.head,
    )
    const origin = deps.config.publicOrigin ?? `${req.protocol}://${req.get('host')}`
    res
      .attachment(`${stemOf(conversation)}.md`)
      .set('Cache-Control', 'no-store')
      .type('text/markdown')
    res.send(exportMarkdown(conversation, branch, pageOf(res).t, origin))
  })

  router.get('/chat/:id/export.json', async (req, res) => {
    const conversation = await mine(req, res)
    res
      .attachment(`${stemOf(conversation)}.json`)
      .set('Cache-Control', 'no-store')
      .type('json')
    res.send(`${JSON.stringify(await takeSnapshot(deps, conversation), null, 2)}\n`)
  })

  // What is remembered

  router.post('/chat/draft', acceptUploads(uploadLimits), async (req, res) => {
    const place = z.guid().safeParse(req.body?.conversation).data ?? 'new'
    const { text, attachments } = readChatForm(req.body)
    await queries.upsertDraft(db, signedIn(res).userId, place, { text, ...asFields(attachments) })
    res.status(204).end()
  })

  router.post('/chat/settings', async (req, res) => {
    const { userId } = signedIn(res)
    const { instructions, ask: wants } = parse(OwnSettings, req.body)
    const settings = await queries.findSettings(db, userId)
    await queries.upsertSettings(db, userId, { ...settings, instructions, askBeforePaying: wants === 'on' })
    if (wantsFragment(req)) return res.status(204).end()
    res.redirect(303, backOf(req))
  })

  router.post('/chat/list', async (req, res) => {
    const { userId } = signedIn(res)
    const settings = await queries.findSettings(db, userId)
    await queries.upsertSettings(db, userId, { ...settings, listOpen: parse(OnOff, req.body).value === 'on' })
    if (wantsFragment(req)) return res.status(204).end()
    res.redirect(303, backOf(req))
  })

  router.post('/chat/files', acceptUploads(uploadLimits), async (req, res) => {
    await uploads.consume(String(signedIn(res).userId))
    const { attachments, refused } = await keepFiles(res, uploadsOf(req, 'file'))
    const page = pageOf(res)
    sendFragments(
      res.status(attachments.length > 0 ? 200 : 422),
      ...attachments.map(attachment => renderView(page, 'chat/_attachment', { attachment })),
      ...refused.map(sentence => renderView(page, 'chat/_refused', { sentence })),
    )
  })

  async function ask(req: Request, res: Response, conversation: queries.Conversation | null): Promise<void> {
    const { userId, caller } = signedIn(res)
    const form = readChatForm(req.body)
    const { attachments, refused } = await keepFiles(res, uploadsOf(req, 'file'))
    const added = attachments.map(each => readChatForm({ attachment: each.value, name: each.name }).attachments[0]!)
    const whole: ChatForm = { ...form, attachments: [...form.attachments, ...added] }
    const models = await listChatModels(deps, caller, accountOf(res))
    const settings = await queries.findSettings(db, userId)
    const choice = chooseModel(models, form, settings)
    const refuse = (status: number, sentence: string) =>
      answerRefused(req, res.status(status), conversation, whole, sentence)

    const { t } = pageOf(res)
    if (refused.length > 0) return refuse(422, refused.join(' '))
    if (whole.text.trim() === '' && whole.attachments.length === 0) return refuse(422, t('chat.empty_message'))
    if (whole.text.length > LONGEST_MESSAGE) {
      return refuse(422, t('chat.too_long', { count: whole.text.length, limit: LONGEST_MESSAGE }))
    }
    const parentId =
      form.parent === null ? (conversation?.head ?? null) : form.parent === '' ? null : parseId(form.parent)
    const place: Place = conversation ? { conversation, parentId } : { instructions: '' }
    try {
      await asks.consume(String(userId))
      const question = { text: whole.text, attachments: whole.attachments, ...choice }
      const asked = await askQuestion(deps, requesterOf(res), place, question, form.submission ?? randomUUID())
      await queries.upsertSettings(db, userId, { ...settings, ...choice })
      const isComposer = !conversation || req.body?.conversation !== undefined
      if (isComposer) await queries.deleteDraft(db, userId, conversation?.id ?? 'new')
      const address = `/chat/${asked.conversationId}`
      if (!wantsFragment(req)) return res.redirect(303, address)
      // On another branch than the newest the page would not see what was asked: it goes there.
      if (!conversation || atOf(req)) return void res.set('HX-Redirect', address).status(204).end()
      // The form under the thread is emptied; what was said, and the button to stop, come by the page's stream.
      if (isComposer) sendFragments(res, renderView(pageOf(res), 'chat/_asked', { submission: randomUUID() }))
      else res.status(204).end()
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 404) throw error
      if (error.retryAfter) res.set('Retry-After', String(error.retryAfter))
      await refuse(error.status === 429 ? 429 : 422, t(error.key, error.params))
    }
  }

  async function answerRefused(
    req: Request,
    res: Response,
    conversation: queries.Conversation | null,
    form: ChatForm,
    sentence: string,
  ): Promise<void> {
    if (!wantsFragment(req)) return showPage(req, res, conversation, { form, error: sentence })
    res.status(422)
    sendFragments(res, renderView(pageOf(res), 'chat/_refusal', { sentence }))
  }

  async function answerCard(
    req: Request,
    res: Response,
    conversation: queries.Conversation,
    call: queries.ToolCall,
    values: { prompt: string; size: string },
    error: string,
  ): Promise<void> {
    const { view } = await loadThread(db, conversation, call.messageId, accountOf(res))
    const card = view.messages.find(message => message.id === call.messageId)
    if (card?.role !== 'tool') throw new Refusal(404, 'errors.not_found')
    const { prompt, size } = values
    const shown = { ...card, prompt, size, error }
    if (wantsFragment(req))
      return sendFragments(res.status(422), renderView(pageOf(res), 'chat/_card', { message: shown }))
    await showPage(req, res.status(422), conversation, { card: shown })
  }

  interface Said {
    form?: ChatForm
    error?: string
    /** In the place of the one in the thread. */
    card?: Awaited<ReturnType<typeof loadThread>>['view']['messages'][number]
  }

  async function showPage(
    req: Request,
    res: Response,
    conversation: queries.Conversation | null,
    said: Said = {},
  ): Promise<void> {
    const { userId } = signedIn(res)
    const list = await listOf(req, res, conversation?.id ?? null)
    const thread = conversation && (await loadThread(db, conversation, atOf(req), accountOf(res))).view
    if (thread && said.card)
      thread.messages = thread.messages.map(each => (each.id === said.card?.id ? said.card : each))
    const form = said.form ?? (await firstForm(req, userId, conversation))
    const composer = await composerOf(
      res,
      conversation,
      form,
      thread?.leaf ?? null,
      thread?.writing ?? null,
      said.error ?? null,
    )
    const deletedId = z.guid().safeParse(req.query.deleted).data
    const deleted = deletedId ? await queries.findConversation(db, userId, deletedId) : null
    const settings = await queries.findSettings(db, userId)
    render(res, 'chat/index', {
      list,
      thread,
      composer,
      settings,
      deleted: deleted?.deletedAt ? viewRow(deleted, null) : null,
    })
  }

  async function listOf(req: Request, res: Response, current: string | null) {
    const { userId } = signedIn(res)
    const { listOpen } = await queries.findSettings(db, userId)
    const search = typeof req.query.q === 'string' ? req.query.q.trim().slice(0, 200) : ''
    const open = z.guid().safeParse(req.query.current).data ?? current
    return loadList(db, pageOf(res), userId, {
      search,
      before: parseCursor(req.query.before),
      current: open,
      open: listOpen,
    })
  }

  /** What an ended sign-in interrupted, else the draft. */
  async function firstForm(req: Request, userId: number, conversation: queries.Conversation | null): Promise<ChatForm> {
    const { keptForm } = req.session
    const path = conversation ? `/chat/${conversation.id}/messages` : '/chat'
    if (keptForm?.path === path) {
      delete req.session.keptForm
      return readChatForm(keptForm.fields)
    }
    return readChatForm(await queries.findDraft(db, userId, conversation?.id ?? 'new'))
  }

  async function composerOf(
    res: Response,
    conversation: queries.Conversation | null,
    form: ChatForm | null,
    leaf: string | null,
    writing: string | null = null,
    error: string | null = null,
  ): Promise<ChatComposerView> {
    const { userId, caller } = signedIn(res)
    const account = accountOf(res)
    const settings = await queries.findSettings(db, userId)
    const models = await listChatModels(deps, caller, account)
    const choice = chooseModel(models, form?.model ? form : {}, settings)
    return {
      conversationId: conversation?.id ?? null,
      parent: form?.parent ?? leaf,
      text: form?.text ?? '',
      attachments: form ? await viewAttachments(userId, form.attachments) : [],
      models,
      model: choice.model,
      effort: choice.effort ?? '',
      submission: form?.submission ?? randomUUID(),
      error,
      blocked: !account?.keyId ? 'no_key' : account.balance !== null && account.balance <= 0 ? 'no_balance' : null,
      writing,
    }
  }

  async function viewAttachments(userId: number, attachments: ChatForm['attachments']): Promise<AttachmentView[]> {
    const tokens = attachments.flatMap(each => ('token' in each ? each.token : []))
    const textIds = attachments.flatMap(each => ('textId' in each ? each.textId : []))
    const files = new Map(
      (tokens.length > 0 ? await listFiles(db, userId, tokens) : []).map(file => [file.token, file]),
    )
    const texts = new Map(
      (textIds.length > 0 ? await queries.listTexts(db, userId, textIds) : []).map(text => [text.id, text]),
    )
    return attachments.flatMap((each): AttachmentView[] => {
      if ('token' in each) return files.has(each.token) ? [viewPicture(each.token, each.name, files)] : []
      const text = texts.get(each.textId)
      return text ? [{ value: `text:${text.id}`, name: text.name, picture: null, isText: true }] : []
    })
  }

  /** Pictures go to the library, plain texts are kept beside it; what is neither is named. */
  async function keepFiles(
    res: Response,
    files: readonly Upload[],
  ): Promise<{ attachments: AttachmentView[]; refused: string[] }> {
    const { userId } = signedIn(res)
    const { t } = pageOf(res)
    const attachments: AttachmentView[] = []
    const refused: string[] = []
    for (const { name, file } of files) {
      const called = name.trim().slice(0, 200) || t('images.upload.unnamed')
      const words = { name: called, size: '20 MiB', megapixels: maxPixels / 1e6, max: MOST_ATTACHMENTS }
      if (!file) {
        refused.push(t('images.upload.too_large', words))
        continue
      }
      // An empty field of a form without JavaScript.
      const bytes = await readFile(file)
      if (bytes.length === 0) continue
      const text = readText(bytes)
      try {
        if (text !== null) {
          const kept = await queries.insertText(db, userId, called, text)
          attachments.push({ value: `text:${kept.id}`, name: called, picture: null, isText: true })
        } else {
          const kept = await keepUpload(deps, userId, { file })
          attachments.push(viewPicture(kept.token, called, new Map([[kept.token, kept]])))
        }
      } catch (error) {
        if (!(error instanceof UploadRefused)) throw error
        const isOther = error.reason === 'not_an_image' || error.reason === 'unsupported_format'
        refused.push(isOther ? t('chat.file_unusable', words) : t(`images.upload.${error.reason}`, words))
      }
    }
    return { attachments, refused }
  }

  async function mine(req: Request, res: Response, wanted = { deleted: false }): Promise<queries.Conversation> {
    const conversation = await queries.findConversation(db, signedIn(res).userId, parseId(req.params.id))
    if (!conversation || (conversation.deletedAt !== null && !wanted.deleted))
      throw new Refusal(404, 'errors.not_found')
    return conversation
  }

  async function myReply(req: Request, res: Response) {
    const conversation = await mine(req, res)
    const message = await queries.findMessage(db, conversation, parseId(req.params.message))
    const reply = message && (await queries.findReply(db, conversation.userId, message.id))
    if (!reply) throw new Refusal(404, 'errors.not_found')
    return { conversation, message, reply }
  }

  async function myCall(req: Request, res: Response) {
    const conversation = await mine(req, res)
    const message = await queries.findMessage(db, conversation, parseId(req.params.message))
    const call = message && (await queries.findToolCall(db, conversation.userId, message.id))
    if (!call) throw new Refusal(404, 'errors.not_found')
    return { conversation, call }
  }

  /** The open page hears of it by its stream; without JavaScript it is shown anew. */
  function done(req: Request, res: Response, conversation: queries.Conversation): void {
    const address = `/chat/${conversation.id}`
    if (!wantsFragment(req)) res.redirect(303, address)
    else if (atOf(req)) res.set('HX-Redirect', address).status(204).end()
    else res.status(204).end()
  }

  return router
}

/** The message whose branch is to be shown, or is shown where a button was pressed; null: the newest branch. */
function atOf(req: Request): string | null {
  const shown =
    req.method === 'POST' ? URL.parse(req.get('HX-Current-URL') ?? '')?.searchParams.get('at') : req.query.at
  return z.guid().safeParse(shown).data ?? null
}

function chosen({ model, effort }: queries.Settings) {
  return model ? { model, effort } : {}
}

function asFields(attachments: ChatForm['attachments']): { attachment: string[]; name: string[] } {
  return {
    attachment: attachments.map(each => ('token' in each ? `picture:${each.token}` : `text:${each.textId}`)),
    name: attachments.map(each => ('token' in each ? each.name : '')),
  }
}

/** The text of a plain text file; null for anything else. */
function readText(bytes: Buffer): string | null {
  if (bytes.length > LONGEST_TEXT_FILE) return null
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    // Binary files that happen to be UTF-8 have them; a NUL cannot be stored either.
    return text.includes('\0') ? null : text
  } catch {
    return null
  }
}

function backOf(req: Request): string {
  const id = z.guid().safeParse(req.body?.back).data
  return id ? `/chat/${id}` : '/chat'
}

function stemOf({ title }: queries.Conversation): string {
  const stem = title
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
  return stem.slice(0, 48) || 'conversation'
}
