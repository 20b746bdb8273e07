import type { Db } from '../db/db.ts'
import { listFiles, type StoredFile } from '../library/file-queries.ts'
import { listPicturesOfJobs, type Picture } from '../library/queries.ts'
import { parseId } from '../web/parse.ts'
import { listWaiting, type Waiting } from './answer/drawn-queries.ts'
import { listToolCalls, type ToolCall } from './call-queries.ts'
import type { Conversation } from './conversation-queries.ts'
import {
  type Attachment,
  findLeafBelow,
  listAttachments,
  listBelow,
  listBranch,
  listBranchEnd,
  listMessages,
  listTexts,
  type Message,
} from './message-queries.ts'
import { listReplies, type Reply } from './reply-queries.ts'

/** What stands in the texts that are attached to these, by their ids; for where it is sent on, not for showing. */
export async function loadTexts(
  db: Db,
  { userId }: Conversation,
  turns: readonly Turn[],
): Promise<Map<string, string>> {
  const ids = turns.flatMap(turn => turn.attachments.flatMap(each => each.textId ?? []))
  const texts = ids.length > 0 ? await listTexts(db, userId, [...new Set(ids)]) : []
  return new Map(texts.map(({ id, text }) => [id, text]))
}

/** One message with everything that belongs to it. */
export type Turn = { message: Message; attachments: Attachment[] } & (
  | { kind: 'user' }
  | { kind: 'assistant'; reply: Reply; waiting: Waiting[] }
  | { kind: 'tool'; call: ToolCall; pictures: Picture[] }
)

/** Messages in their order, and the files that their attachments name, by token. */
export interface Branch {
  turns: Turn[]
  files: Map<string, StoredFile>
}

/** From the first message of a conversation down to `leaf`; empty when there is none yet. */
export async function loadBranch(db: Db, conversation: Conversation, leaf: string | null): Promise<Branch> {
  return load(db, conversation, leaf ? await listBranch(db, conversation, leaf) : [])
}

/** Which part of a conversation is to be shown; of the newest branch the end, where it says nothing. */
export interface Part {
  /** A message whose branch is shown, and that is to be in sight. */
  at: string | null
  /** What stands above a message, instead of the end. */
  before: string | null
  /** Where the page that asks begins: it hears of all from there on. */
  from: string | null
}

export interface BranchPart extends Branch {
  /** The end of the branch, for `findNamedLeaf`; null while the conversation is empty. */
  leaf: string | null
  /** It reaches to the end of the branch. */
  isEnd: boolean
}

/** As much as a page shows at once; of a page that stays open, as much as it is told of again. */
const PAGE = 40
const LONGEST_PAGE = 400

export async function loadPart(db: Db, conversation: Conversation, part: Part): Promise<BranchPart> {
  const { leaf, messages } = await listPart(db, conversation, part)
  return { ...(await load(db, conversation, messages)), leaf, isEnd: messages.at(-1)?.id === (leaf ?? undefined) }
}

interface ListedPart {
  leaf: BranchPart['leaf']
  messages: Message[]
}

async function listPart(db: Db, conversation: Conversation, { at, before, from }: Part): Promise<ListedPart> {
  const { head } = conversation
  if (before) {
    const above = await listBranchEnd(db, conversation, before, PAGE + 1)
    if (above.length > 1) return { leaf: at ? endBelow(at) : head, messages: above.slice(0, -1) }
  }
  if (from) {
    const leaf = (at && (await findLeafBelow(db, conversation, at))) ?? head
    const since = leaf ? await listBranchEnd(db, conversation, leaf, LONGEST_PAGE, from) : []
    if (since[0]?.id === from) return { leaf, messages: since }
  }
  return (at && (await listAround(db, conversation, at))) || listEnd(db, conversation, head)
}

/** A message among its neighbours, or the end of its branch where that is near; null for a message that is gone. */
async function listAround(db: Db, conversation: Conversation, at: string): Promise<ListedPart | null> {
  const above = await listBranchEnd(db, conversation, at, PAGE / 2)
  if (above.length === 0) return null
  const below = await listBelow(db, conversation, at, PAGE)
  if (below.length < PAGE) return listEnd(db, conversation, below.at(-1)?.id ?? at)
  return { leaf: endBelow(at), messages: [...above, ...below.slice(0, PAGE / 2)] }
}

async function listEnd(db: Db, conversation: Conversation, leaf: string | null): Promise<ListedPart> {
  return { leaf, messages: leaf ? await listBranchEnd(db, conversation, leaf, PAGE) : [] }
}

const END_BELOW = 'below:'

/** The end of the newest branch through a message, without having gone there. */
function endBelow(id: string): string {
  return END_BELOW + id
}

/** The message that a `leaf` names; of a branch that is gone the one that it went through. */
export async function findNamedLeaf(db: Db, conversation: Conversation, leaf: string): Promise<string> {
  if (!leaf.startsWith(END_BELOW)) return parseId(leaf)
  const id = parseId(leaf.slice(END_BELOW.length))
  return (await findLeafBelow(db, conversation, id)) ?? id
}

/** All branches, parents before children. */
export async function loadAllBranches(db: Db, conversation: Conversation): Promise<Branch> {
  return load(db, conversation, await listMessages(db, conversation))
}

async function load(db: Db, { userId }: Conversation, messages: Message[]): Promise<Branch> {
  if (messages.length === 0) return { turns: [], files: new Map() }
  const idsOf = (role: Message['role']) => messages.filter(each => each.role === role).map(each => each.id)
  const replies = await listReplies(db, idsOf('assistant'))
  const calls = await listToolCalls(db, idsOf('tool'))
  const waiting = Map.groupBy(await listWaiting(db, idsOf('assistant')), each => each.messageId)
  const attachments = await listAttachments(db, [...idsOf('user'), ...idsOf('assistant')])
  const jobs = calls.flatMap(call => call.jobId ?? [])
  const tokens = [...attachments.flatMap(each => each.token ?? []), ...calls.flatMap(call => call.sources)]
  const pictures = jobs.length > 0 ? await listPicturesOfJobs(db, userId, jobs) : []
  const files = tokens.length > 0 ? await listFiles(db, userId, [...new Set(tokens)]) : []
  const replyOf = new Map(replies.map(reply => [reply.messageId, reply]))
  const callOf = new Map(calls.map(call => [call.messageId, call]))
  const attachmentsOf = Map.groupBy(attachments, each => each.messageId)
  const picturesOf = Map.groupBy(pictures, picture => picture.jobId)
  const turns = messages.map((message): Turn => {
    const common = { message, attachments: attachmentsOf.get(message.id) ?? [] }
    if (message.role === 'user') return { ...common, kind: 'user' }
    if (message.role === 'assistant')
      return { ...common, kind: 'assistant', reply: replyOf.get(message.id)!, waiting: waiting.get(message.id) ?? [] }
    const call = callOf.get(message.id)!
    return { ...common, kind: 'tool', call, pictures: (call.jobId && picturesOf.get(call.jobId)) || [] }
  })
  return { turns, files: new Map(files.map(file => [file.token, file])) }
}

/** A picture that the conversation can speak of as `P1`, `P2` and so on. */
export interface NamedPicture {
  label: string
  token: string
  messageId: string
}

/** Every picture of the branch that is still there, numbered in the order in which they came. */
export function namePictures({ turns, files }: Branch): NamedPicture[] {
  const tokens = turns.flatMap(turn => {
    const messageId = turn.message.id
    if (turn.kind !== 'tool') {
      return turn.attachments.flatMap(({ token }) => (token && files.has(token) ? [{ token, messageId }] : []))
    }
    return turn.pictures
      .filter(picture => !picture.deletedAt && picture.format !== 'bin')
      .map(({ token }) => ({ token, messageId }))
  })
  return tokens.map((picture, index) => ({ ...picture, label: `P${index + 1}` }))
}
