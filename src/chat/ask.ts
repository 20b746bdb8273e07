import { randomUUID } from 'node:crypto'
import { sealKeyForReply } from '../account/key.ts'
import { type Requester, type UsableKey, usableKey } from '../account/requester.ts'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { listFiles } from '../library/file-queries.ts'
import { ensureUploadedPicture } from '../library/queries.ts'
import { admitSpending } from '../spend/budgets.ts'
import { expectedOfAnswer } from '../spend/reservation-queries.ts'
import { Refusal } from '../web/errors.ts'
import { derivedSubmission } from '../web/submission.ts'
import { isVisible } from '../web/text.ts'
import { inTurn } from '../web/turns.ts'
import { endToolCall, findToolCall } from './call-queries.ts'
import { askingLock, type Conversation, insertConversation } from './conversation-queries.ts'
import { findInLineBySubmission, insertInLine, isBusy, listLine } from './line-queries.ts'
import {
  findLeafBelow,
  findMessage,
  findMessageBySubmission,
  hasMessageBelow,
  insertAttachments,
  insertMessage,
  listAttachments,
  listTextNames,
  type Message,
} from './message-queries.ts'
import { tellPages } from './notify-queries.ts'
import { countUnfinished, findReply, insertReply, type Reply } from './reply-queries.ts'

export const LONGEST_MESSAGE = 100_000
export const MOST_ATTACHMENTS = 16
const MOST_UNFINISHED = 20
const MOST_IN_LINE = 20
const LONGEST_TITLE = 60

export interface Question {
  text: string
  /** Tokens of the person's own files, and ids of their attached texts, in order. */
  attachments: ({ token: string; name: string } | { textId: string })[]
  model: string
  effort: string | null
}

/**
 * Where a message goes: a new conversation, or below a message of one (null: as another beginning of it). `atEnd`: only
 * where nothing stands below that yet; else it makes a branch.
 */
export type Place = { conversation: Conversation; parentId: string | null; atEnd: boolean } | { instructions: string }

export interface Asked {
  conversationId: string
  /** It waits for the end of an answer, and goes then. */
  isInLine: boolean
}

type AskDeps = Pick<Deps, 'db' | 'sealer' | 'config'>

/**
 * Takes what a person says: adds it with the answer to come below it, or puts it in line while an answer is being written
 * there. The same question is taken once under a `submission` (a UUID); changed since, it is another one. Throws like
 * `addQuestion`, and `Refusal` 429 when too many wait.
 */
export async function askQuestion(
  deps: AskDeps,
  asker: Requester,
  place: Place,
  question: Question,
  submission: string,
): Promise<Asked> {
  return inTurn(deps.db, askingLock, asker, async tx => {
    const { once, twin } = await findTwin(tx, asker.userId, question, submission)
    if (twin) return twin
    if ('conversation' in place && place.atEnd && place.parentId) {
      const { conversation, parentId } = place
      if (await isBusy(tx, conversation, parentId)) {
        await joinLine(tx, asker, { conversation, parentId }, question, once)
        return { conversationId: conversation.id, isInLine: true }
      }
    }
    const { conversationId } = await addQuestion(deps, tx, asker, place, question, once)
    return { conversationId, isInLine: false }
  })
}

async function joinLine(
  tx: Db,
  asker: Requester,
  { conversation, parentId }: { conversation: Conversation; parentId: string },
  question: Question,
  submission: string,
): Promise<void> {
  // Told now, while its writer is there.
  usableKey(asker.account, 'words')
  const { id: conversationId, userId } = conversation
  if ((await listLine(tx, conversation)).length >= MOST_IN_LINE) {
    throw new Refusal(429, 'chat.line.too_many', { limit: MOST_IN_LINE }, 10)
  }
  if (!(await findMessage(tx, conversation, parentId))) throw new Refusal(404, 'errors.not_found')
  for (const { token } of await checkAttachments(tx, userId, question)) {
    if (token) await ensureUploadedPicture(tx, userId, token)
  }
  const { signInId, caller } = asker
  const whose = { userId, signInId, callerAddress: caller.address, callerUserAgent: caller.userAgent }
  await insertInLine(tx, { conversationId, afterId: parentId, submission, ...question, ...whose })
  await tellPages(tx, conversationId, 'change')
}

/**
 * Adds a person's message and the answer to come below it: rows and queue message commit together. Throws `Refusal` 409
 * without a usable key, while the answer above is being written, or when the conversation went on meanwhile; 429 when too
 * many answers wait. Under the `askingLock`.
 */
export async function addQuestion(
  deps: AskDeps,
  tx: Db,
  asker: Requester,
  place: Place,
  question: Question,
  submission: string,
): Promise<Message> {
  const { userId } = asker
  const key = usableKey(asker.account, 'words')
  await refuseTooMany(tx, userId)
  const attachments = await checkAttachments(tx, userId, question)
  const conversation =
    'conversation' in place ? place.conversation : await begin(tx, userId, place, question, attachments)
  const parentId = 'conversation' in place ? place.parentId : null
  if (parentId) await leave(tx, conversation, parentId)
  if ('conversation' in place && place.atEnd && (await hasMessageBelow(tx, conversation, parentId))) {
    throw new Refusal(409, 'chat.went_on')
  }
  const message = await insertMessage(tx, {
    id: randomUUID(),
    conversationId: conversation.id,
    userId,
    parentId,
    role: 'user',
    text: question.text,
    submission,
  })
  await insertAttachments(tx, message.id, attachments)
  for (const { token } of attachments) if (token) await ensureUploadedPicture(tx, userId, token)
  await addAnswer(deps, tx, asker, key, { parent: message, purpose: 'answer', ...question })
  return message
}

/** What was taken under this submission, and under what name this question is taken if that was another. */
async function findTwin(tx: Db, userId: number, { text, attachments }: Question, submission: string) {
  const first = await findTaken(tx, userId, submission)
  if (!first) return { once: submission, twin: null }
  const sent = attachments.map(each => ('token' in each ? each.token : each.textId))
  if (first.text === text && String(first.files) === String(sent)) return { once: submission, twin: first }
  const once = derivedSubmission(`message ${submission}: ${JSON.stringify([text, sent])}`)
  return { once, twin: await findTaken(tx, userId, once) }
}

/** What was said under this submission, or waits in line to be. */
async function findTaken(tx: Db, userId: number, submission: string) {
  const message = await findMessageBySubmission(tx, userId, submission)
  if (message) {
    const files = (await listAttachments(tx, [message.id])).map(each => each.token ?? each.textId)
    return { conversationId: message.conversationId, text: message.text, files, isInLine: false }
  }
  const waiting = await findInLineBySubmission(tx, userId, submission)
  if (!waiting) return null
  const files = waiting.attachments.map(each => ('token' in each ? each.token : each.textId))
  return { conversationId: waiting.conversationId, text: waiting.text, files, isInLine: true }
}

/**
 * Another answer beside one that has ended; both stay. The same `submission` is one answer, however often it comes.
 * Throws like `askQuestion`.
 */
export async function answerAgain(
  deps: AskDeps,
  asker: Requester,
  conversation: Conversation,
  old: { message: Message; reply: Reply },
  choice: { model: string; effort: string | null },
  submission: string,
): Promise<void> {
  await inTurn(deps.db, askingLock, asker, async tx => {
    if (await findMessageBySubmission(tx, asker.userId, submission)) return
    const key = usableKey(asker.account, 'words')
    await refuseTooMany(tx, asker.userId)
    const parent = old.message.parentId && (await findMessage(tx, conversation, old.message.parentId))
    if (!parent) throw new Refusal(404, 'errors.not_found')
    // A press in a second tab finds the answer that the first one asked for.
    const newest = await findLeafBelow(tx, conversation, parent.id)
    const beside = newest && (await findReply(tx, asker.userId, newest))
    if (beside && beside.finishedAt === null) return
    await addAnswer(deps, tx, asker, key, { parent, purpose: old.reply.purpose, ...choice, submission })
  })
}

interface AnswerToCome {
  parent: Message
  purpose: Reply['purpose']
  model: string
  effort: string | null
  /** Of the form that asked for this answer alone. */
  submission?: string
}

/** Adds an answer that waits for a worker, with the key sealed into it. Throws `Refusal`, before anything is written, where a budget is used up. */
export async function addAnswer(
  deps: AskDeps,
  tx: Db,
  asker: Pick<Requester, 'userId' | 'signInId' | 'caller'>,
  key: UsableKey,
  { parent, purpose, model, effort, submission }: AnswerToCome,
): Promise<void> {
  const { userId, signInId, caller } = asker
  const { conversationId } = parent
  const expected = await expectedOfAnswer(tx, userId, model)
  const calls = [{ usd: expected, isBounded: false }]
  const isAsked = purpose === 'answer'
  await admitSpending(deps, tx, { userId, calls, conversationId, byHand: isAsked, follows: !isAsked })
  const messageId = randomUUID()
  const message = { id: messageId, conversationId, userId, parentId: parent.id, role: 'assistant' as const }
  await insertMessage(tx, { ...message, submission: submission ?? null })
  const keySecret = sealKeyForReply(deps, userId, messageId, key.keySecret)
  await insertReply(tx, {
    messageId,
    conversationId,
    userId,
    signInId,
    purpose,
    model,
    effort,
    ...key,
    keySecret,
    expected,
    caller,
  })
  await tellPages(tx, conversationId, 'change')
}

async function refuseTooMany(tx: Db, userId: number): Promise<void> {
  if ((await countUnfinished(tx, userId)) >= MOST_UNFINISHED) {
    throw new Refusal(429, 'chat.too_many', { limit: MOST_UNFINISHED }, 10)
  }
}

function begin(
  tx: Db,
  userId: number,
  place: { instructions: string },
  question: Question,
  attachments: readonly { name: string }[],
): Promise<Conversation> {
  const title = titleOf(question.text) || titleOf(attachments[0]?.name ?? '')
  return insertConversation(tx, { id: randomUUID(), userId, title, instructions: place.instructions })
}

/** The beginning of the first line that says something. */
export function titleOf(text: string): string {
  const line = text.split('\n').find(isVisible)?.replace(/\s+/g, ' ').trim() ?? ''
  if (line.length <= LONGEST_TITLE) return line
  const cut = line.slice(0, LONGEST_TITLE)
  const space = cut.lastIndexOf(' ')
  return `${cut.slice(0, space > LONGEST_TITLE / 2 ? space : undefined).toWellFormed()}…`
}

/** Goes on below a message: not while it is being written; a picture that was offered and not taken is let go. */
async function leave(tx: Db, conversation: Conversation, parentId: string): Promise<void> {
  const parent = await findMessage(tx, conversation, parentId)
  if (!parent) throw new Refusal(404, 'errors.not_found')
  const reply = await findReply(tx, conversation.userId, parentId)
  if (reply && reply.finishedAt === null) throw new Refusal(409, 'chat.still_writing')
  const call = await findToolCall(tx, conversation.userId, parentId)
  if (call?.state === 'asked') await endToolCall(tx, call, { state: 'declined', output: WROTE_ON })
}

const WROTE_ON = 'The person did not want this picture and wrote on. Nothing was made.'

async function checkAttachments(tx: Db, userId: number, { attachments }: Question) {
  if (attachments.length > MOST_ATTACHMENTS) throw new Refusal(422, 'chat.too_many_files', { limit: MOST_ATTACHMENTS })
  const tokens = attachments.flatMap(each => ('token' in each ? each.token : []))
  const textIds = attachments.flatMap(each => ('textId' in each ? each.textId : []))
  const files = new Set((await listFiles(tx, userId, tokens)).map(file => file.token))
  const texts = new Map((await listTextNames(tx, userId, textIds)).map(text => [text.id, text.name]))
  return attachments.map(each => {
    const isMine = 'token' in each ? files.has(each.token) : texts.has(each.textId)
    if (!isMine) throw new Refusal(422, 'chat.file_gone')
    return 'token' in each
      ? { name: each.name, token: each.token, textId: null }
      : { name: texts.get(each.textId)!, token: null, textId: each.textId }
  })
}
