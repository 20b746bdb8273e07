import { randomUUID } from 'node:crypto'
import type { Request, Response } from 'express'
import { z } from 'zod'
import { obstacleTo } from '../../account/obstacle.ts'
import { accountOf } from '../../account/viewer.ts'
import type { Db } from '../../db/db.ts'
import type { Deps } from '../../deps.ts'
import { draftField, draftFieldOf } from '../../images/draft.ts'
import { refusedFile, viewRefused } from '../../library/refused.ts'
import { signedIn } from '../../session/guard.ts'
import { isOneAtATime } from '../../spend/budgets.ts'
import type { Said } from '../../web/errors.ts'
import { parseCursor } from '../../web/paging.ts'
import { pageOf, render } from '../../web/render.ts'
import { MOST_ATTACHMENTS } from '../ask.ts'
import { viewAttachments } from '../attachments.ts'
import { type Conversation, findConversation } from '../conversation-queries.ts'
import { type ChatForm, chooseModel } from '../form.ts'
import { partOf } from '../lookup.ts'
import { listChatModels } from '../models.ts'
import { findSettings, type Settings } from '../settings-queries.ts'
import { firstForm } from './first-form.ts'
import { loadFound, wordsToFind } from './found.ts'
import { loadList, viewRow } from './list.ts'
import { loadThread } from './thread.ts'
import type { ChatComposerView, ListView, MeanwhileView, ThreadView, ToolView } from './view.ts'

/** What a form that was refused is shown again with. */
export interface Shown {
  form?: ChatForm
  error?: Said
  /** In the place of the one in the thread. */
  card?: ToolView
}

/** The whole page: one conversation, or the beginning of a new one. */
export async function showPage(
  deps: Deps,
  req: Request,
  res: Response,
  conversation: Conversation | null,
  said: Shown = {},
): Promise<void> {
  const { db } = deps
  const { userId } = signedIn(res)
  const settings = await findSettings(db, userId)
  const list = await listOf(db, req, res, conversation?.id ?? null)
  const { card } = said
  const part = card ? { ...partOf(req), at: card.id } : partOf(req)
  const thread = conversation && (await loadThread(deps, conversation, part, accountOf(res))).view
  if (thread && card) thread.messages = thread.messages.map(each => (each.id === card.id ? card : each))
  const { form, draft, kept } = said.form
    ? { form: said.form, draft: conversation ? null : (draftFieldOf(req.body) ?? draftField(null)), kept: [] }
    : await firstForm(db, req, res, conversation)
  const meanwhile = thread && meanwhileOf(req, thread)
  const deletedId = z.guid().safeParse(req.query.deleted).data
  const deleted = deletedId ? await findConversation(db, userId, deletedId) : null
  const messageId = z.guid().safeParse(req.query.removed).data
  const rowId = z.guid().safeParse(req.query.unlined).data
  const words = wordsToFind(req.query)
  render(res, 'chat/index', {
    list,
    thread,
    found: conversation && words !== null ? await loadFound(db, conversation, words, part.at) : null,
    composer: await composerOf(deps, res, settings, thread, { form, draft, meanwhile }, said.error ?? null),
    settings,
    deleted: deleted?.deletedAt ? viewRow(deleted, null) : null,
    removed: thread && messageId ? { conversationId: thread.id, messageId } : null,
    unlined: thread && rowId ? { conversationId: thread.id, rowId } : null,
    kept,
    putAway: conversation ? null : (z.guid().safeParse(req.query.away).data ?? null),
  })
}

export async function listOf(db: Db, req: Request, res: Response, current: string | null): Promise<ListView> {
  const { userId } = signedIn(res)
  const { listOpen } = await findSettings(db, userId)
  const search = typeof req.query.q === 'string' ? req.query.q.trim().slice(0, 200) : ''
  return loadList(db, pageOf(res), userId, {
    search,
    before: parseCursor(req.query.before),
    current: z.guid().safeParse(req.query.current).data ?? current,
    open: listOpen,
  })
}

function meanwhileOf(req: Request, { id, at, writing, unfinished }: ThreadView): MeanwhileView | null {
  if (!writing && unfinished.length === 0) return null
  const query = new URLSearchParams(at ? { at } : {})
  // What answers a form has its words, at an address that cannot be asked for again.
  const reloads = req.method === 'GET' && req.query.write === undefined
  if (reloads) query.set('write', 'on')
  return { reloads, href: `/chat/${id}?${query}`.replace(/\?$/, '') }
}

async function composerOf(
  deps: Deps,
  res: Response,
  settings: Settings,
  thread: ThreadView | null,
  { form, draft, meanwhile }: Pick<ChatComposerView, 'draft' | 'meanwhile'> & { form: ChatForm },
  error: Said | null,
): Promise<ChatComposerView> {
  const { userId, caller } = signedIn(res)
  const account = accountOf(res)
  const models = await listChatModels(deps, caller, account)
  const choice = chooseModel(models, form.model ? form : {}, settings)
  const attachments = await viewAttachments(deps.db, userId, form.attachments)
  const isGone = attachments.length < form.attachments.length
  const refused = isGone ? [...form.refused, refusedFile('gone', '')] : form.refused
  return {
    conversationId: thread?.id ?? null,
    parent: form.parent ?? thread?.leaf ?? null,
    text: form.text,
    attachments,
    refused: viewRefused(pageOf(res).t, refused, MOST_ATTACHMENTS),
    models,
    model: choice.model,
    effort: choice.effort ?? '',
    submission: form.submission ?? randomUUID(),
    draft,
    meanwhile,
    error,
    obstacle: obstacleTo(account, 'words'),
    writing: thread?.writing ?? null,
    line: thread?.line ?? [],
    waitsForBills: await isOneAtATime(deps, deps.db, userId),
  }
}
