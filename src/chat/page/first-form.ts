import type { Request, Response } from 'express'
import type { Db } from '../../db/db.ts'
import { beginningOf, draftField, draftFieldOf, originOf } from '../../images/draft.ts'
import type { KeptDraftView } from '../../images/view.ts'
import { signedIn } from '../../session/guard.ts'
import { takeKeptForm } from '../../session/kept-form.ts'
import type { Conversation } from '../conversation-queries.ts'
import { findDraft, listNewDrafts, type NewDraft, upsertNewDraft } from '../draft-queries.ts'
import { type ChatForm, draftOf, fieldOf, readChatForm } from '../form.ts'

export interface FirstForm {
  form: ChatForm
  /** As `draftField` says it; null in a conversation. */
  draft: string | null
  /** What was typed for a new conversation and is not in the form. */
  kept: KeptDraftView[]
}

/** What an ended sign-in interrupted, else the draft. */
export async function firstForm(
  db: Db,
  req: Request,
  res: Response,
  conversation: Conversation | null,
): Promise<FirstForm> {
  const { userId } = signedIn(res)
  // An edited message is sent to the same address, but is not the composer's.
  const interrupted = takeKeptForm(req, res, ({ path, fields }) =>
    conversation
      ? ['/chat/draft', '/chat/key', `/chat/${conversation.id}/messages`].includes(path) &&
        fields.conversation === conversation.id
      : ['/chat/draft', '/chat/key', '/chat'].includes(path) && fields.conversation === undefined,
  )
  if (conversation) {
    return { form: readChatForm(interrupted ?? (await findDraft(db, userId, conversation.id))), draft: null, kept: [] }
  }
  if (interrupted) {
    const form = readChatForm(interrupted)
    await upsertNewDraft(db, userId, draftOf(form), form.submission, originOf(interrupted))
    const draft = draftFieldOf(interrupted) ?? draftField(null)
    return { form, draft, kept: viewKept(await listNewDrafts(db, userId), form) }
  }
  const drafts = await listNewDrafts(db, userId)
  const newest = drafts.find(({ isDraft }) => isDraft)
  const resumed = drafts.find(({ page, isDraft }) => page === req.query.draft && !isDraft)
  const form = readChatForm((resumed ?? newest)?.form)
  const draft = resumed ? draftField(null, resumed.page) : draftField(newest?.version ?? null)
  return { form, draft, kept: viewKept(drafts, form) }
}

/** Of drafts that were never sent, those with something in them that this form lacks. */
function viewKept(drafts: readonly NewDraft[], shown: ChatForm): KeptDraftView[] {
  const files = shown.attachments.map(fieldOf)
  return drafts.flatMap(({ page, form, isDraft }) => {
    const { text, attachments } = readChatForm(form)
    if (shown.text.includes(text) && attachments.every(each => files.includes(fieldOf(each)))) return []
    return [{ page, words: beginningOf(text), files: attachments.length, isDraft }]
  })
}
