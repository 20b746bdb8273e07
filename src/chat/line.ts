import { currentAccount } from '../account/current.ts'
import { obstacleTo } from '../account/obstacle.ts'
import type { Requester } from '../account/requester.ts'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { oneAfterAnother } from '../spend/budgets.ts'
import { Refusal } from '../web/errors.ts'
import { inTurn } from '../web/turns.ts'
import { addQuestion } from './ask.ts'
import { findToolCall } from './call-queries.ts'
import { askingLock, type Conversation, findConversation } from './conversation-queries.ts'
import { upsertDraft } from './draft-queries.ts'
import { type ChatForm, draftOf } from './form.ts'
import {
  type Held,
  holdInLine,
  type InLine,
  listLine,
  moveLineBehind,
  setRemoved,
  takeFromLine,
} from './line-queries.ts'
import { findLeafBelow } from './message-queries.ts'
import { tellPages } from './notify-queries.ts'
import { findReply } from './reply-queries.ts'

type Whose = Pick<Conversation, 'id' | 'userId'>

/** Where a message in line would go, and how it stands there: only at `rest` does it go by itself. */
export interface End {
  leaf: string | null
  state: 'rest' | 'writing' | 'painting' | 'asked' | 'failed' | 'stopped' | 'unknown'
}

/** The end of the branch that a message in line waits at. */
export async function endOf(db: Db, conversation: Conversation, { afterId }: Pick<InLine, 'afterId'>): Promise<End> {
  const leaf = (afterId && (await findLeafBelow(db, conversation, afterId))) ?? conversation.head
  const reply = leaf ? await findReply(db, conversation.userId, leaf) : null
  if (reply?.state === 'queued' || reply?.state === 'running') return { leaf, state: 'writing' }
  if (reply) return { leaf, state: reply.state === 'done' ? 'rest' : reply.state }
  const call = leaf ? await findToolCall(db, conversation.userId, leaf) : null
  return { leaf, state: call?.state === 'asked' || call?.state === 'painting' ? call.state : 'rest' }
}

/**
 * Sends the first message in line where nothing is in its way any more, or holds it and says why: the money for it is
 * spent only after an answer that ended well. Safe to repeat, and whenever something has ended.
 */
export async function advanceLine(deps: Deps, whose: Whose): Promise<void> {
  const [waiting] = await listLine(deps.db, whose)
  if (!waiting || waiting.held) return
  const { userId, signInId } = waiting
  const caller = { address: waiting.callerAddress, userAgent: waiting.callerUserAgent }
  const account = await currentAccount(deps, waiting)
  try {
    await oneAfterAnother(() => sendFirst(deps, { userId, signInId, caller, account }, whose))
  } catch (error) {
    if (!(error instanceof Refusal) || error.key === 'errors.busy') throw error
    const { key, params, see } = error
    await hold(deps.db, waiting, { key, params, see })
  }
}

function sendFirst(deps: Deps, asker: Requester, whose: Whose): Promise<void> {
  return inTurn(deps.db, askingLock, asker, async tx => {
    const conversation = await findConversation(tx, whose.userId, whose.id)
    const [first] = await listLine(tx, whose)
    if (!conversation || !first || first.held) return
    const { leaf, state } = await endOf(tx, conversation, first)
    if (state === 'writing' || state === 'painting' || state === 'asked') return
    const why = conversation.deletedAt ? 'stopped' : state
    if (why !== 'rest') return hold(tx, first, { key: `chat.line.after.${why}`, params: {}, see: null })
    if (obstacleTo(asker.account, 'words')?.why === 'no_balance') throw new Refusal(409, 'chat.blocked.no_balance')
    await send(deps, tx, asker, conversation, first, leaf)
  })
}

/** Sends a message in line at once, whatever it was held for. Throws as a question does; it stays in line then. */
export async function sendNow(
  deps: Pick<Deps, 'db' | 'sealer' | 'config'>,
  asker: Requester,
  conversation: Conversation,
  rowId: string,
): Promise<void> {
  await inTurn(deps.db, askingLock, asker, async tx => {
    const row = (await listLine(tx, conversation)).find(({ id }) => id === rowId)
    if (!row) throw new Refusal(409, 'chat.line.gone')
    const { leaf } = await endOf(tx, conversation, row)
    await send(deps, tx, asker, conversation, row, leaf)
  })
}

async function send(
  deps: Pick<Deps, 'db' | 'sealer' | 'config'>,
  tx: Db,
  asker: Requester,
  conversation: Conversation,
  row: InLine,
  parentId: string | null,
): Promise<void> {
  if (!(await takeFromLine(tx, conversation, row.id))) return
  const { text, attachments, model, effort, submission } = row
  const place = { conversation, parentId, atEnd: true }
  const message = await addQuestion(deps, tx, asker, place, { text, attachments, model, effort }, submission)
  await moveLineBehind(tx, row, message.id)
}

/**
 * A message comes out of the line, to be written anew: it is the draft from then on, above what is typed already. Throws
 * `Refusal` 409 when it was sent or removed meanwhile.
 */
export async function takeBack(
  deps: Deps,
  conversation: Conversation,
  rowId: string,
  typed: ChatForm,
): Promise<{ row: InLine; form: ChatForm }> {
  return changeLine(deps, conversation, async tx => {
    const row = await takeFromLine(tx, conversation, rowId)
    if (!row) throw new Refusal(409, 'chat.line.gone')
    const text = [row.text, typed.text].filter(Boolean).join('\n\n')
    const form = { ...typed, text, attachments: [...row.attachments, ...typed.attachments], parent: null }
    await upsertDraft(tx, conversation.userId, conversation.id, draftOf(form), null)
    return { row, form }
  })
}

/** Throws like `takeBack`. */
export async function removeFromLine(deps: Deps, conversation: Conversation, rowId: string): Promise<void> {
  const isGone = await changeLine(deps, conversation, tx => setRemoved(tx, conversation, rowId, null))
  if (!isGone) throw new Refusal(409, 'chat.line.gone')
}

/** What was removed is in its place again, and goes only when it is sent by hand. */
export async function restoreToLine(deps: Deps, conversation: Conversation, rowId: string): Promise<void> {
  const held: Held = { key: 'chat.line.after.restored', params: {}, see: null }
  const isBack = await changeLine(deps, conversation, tx => setRemoved(tx, conversation, rowId, held))
  if (!isBack) throw new Refusal(404, 'errors.not_found')
}

/** What stands first after that may go. */
async function changeLine<T>(deps: Deps, whose: Whose, change: (tx: Db) => Promise<T>): Promise<T> {
  const result = await deps.db.transaction(async tx => {
    const changed = await change(tx)
    await tellPages(tx, whose.id, 'change')
    return changed
  })
  await advanceLine(deps, whose)
  return result
}

async function hold(db: Db, row: InLine, held: Held): Promise<void> {
  await holdInLine(db, row, held)
  await tellPages(db, row.conversationId, 'change')
}

/** An answer that something in line may wait for will not tell its end: what is first there does not go by itself. */
export async function holdLine(db: Db, whose: Whose): Promise<void> {
  const [first] = await listLine(db, whose)
  if (first && !first.held) await hold(db, first, { key: 'chat.line.after.restored', params: {}, see: null })
}
