import { randomUUID } from 'node:crypto'
import type { Account } from '../../account/queries.ts'
import type { Db } from '../../db/db.ts'
import type { Deps } from '../../deps.ts'
import { type EditTerms, editTerms } from '../../images/edit-terms.ts'
import { listJobsById } from '../../images/job-queries.ts'
import { viewJobs } from '../../images/job-view.ts'
import { readForm } from '../../images/prompt.ts'
import { quote } from '../../images/quote.ts'
import type { JobView } from '../../images/view.ts'
import type { StoredFile } from '../../library/file-queries.ts'
import { defaultModel } from '../../models/image-models.ts'
import { isInDoubt, moneyOf } from '../../spend/evidence.ts'
import { viewNewest } from '../../spend/receipt-view.ts'
import { sentencesOf } from '../../spend/sentences.ts'
import type { ReceiptView } from '../../spend/view.ts'
import { type Delta, listDeltas } from '../answer/claim-queries.ts'
import type { ToolProblem } from '../answer/tools.ts'
import { type Branch, loadPart, type Part, type Turn } from '../branch.ts'
import type { ToolCall } from '../call-queries.ts'
import type { Conversation } from '../conversation-queries.ts'
import { type Attachment, listChildren } from '../message-queries.ts'
import type { Reply } from '../reply-queries.ts'
import { placeDrawn } from './drawn-view.ts'
import { loadLine } from './line-view.ts'
import { type GrowingMarkdown, growMarkdown } from './markdown.ts'
import { loadUsed } from './used.ts'
import type { AnswerView, AttachmentView, LineView, MessageView, ThreadView, ToolView } from './view.ts'

const sizes = defaultModel.sizes.flatMap(group => group.sizes)

/** What has come of an answer that is being written. */
export interface Growth {
  messageId: string
  markdown: GrowingMarkdown
  reasoning: string
  seq: number
}

export interface Thread {
  view: ThreadView
  /** The answer that is being written, as far as the view shows it. */
  growth: Growth | null
}

/** Part of one branch of a conversation as a page shows it. `account` pays for what is offered. */
export async function loadThread(
  deps: Pick<Deps, 'db' | 'config'>,
  conversation: Conversation,
  part: Part,
  account: Account | null,
): Promise<Thread> {
  const { db } = deps
  const branch = await loadPart(db, conversation, part)
  const { leaf, isEnd } = branch
  const siblings = await listChildren(
    db,
    conversation,
    branch.turns.map(turn => turn.message.parentId),
  )
  const jobs = await loadJobs(db, conversation.userId, branch)
  const last = branch.turns.at(-1)
  const writing = last?.kind === 'assistant' && last.reply.finishedAt === null ? last.message.id : null
  const growth = writing ? await loadGrowth(db, conversation.userId, writing) : null
  const offered = branch.turns.flatMap(turn =>
    turn.kind === 'tool' && turn.call.state === 'asked' ? [{ references: turn.call.sources }] : [],
  )
  const edit = await editTerms(deps, account, offered)
  const answers = branch.turns.flatMap(turn => (turn.kind === 'assistant' ? turn.message.id : []))
  const receipts = await viewNewest(db, conversation.userId, 'answer', answers)
  const beside = Map.groupBy(siblings, each => each.parentId)
  const messages = branch.turns.map((turn): MessageView => {
    const view = viewTurn(turn, branch, { jobs, receipts, account, edit, growth, isLeaf: isEnd && turn === last })
    return { ...view, branches: branchesOf(beside.get(turn.message.parentId) ?? [], turn.message.id) }
  })
  const tagged = messages.map(message => ({ ...message, tag: tagOf(message) }))
  const line = await loadLine(db, conversation)
  const tags = [...tagged.map(({ tag }) => tag), ...line.map(tagOfWaiting)]
  return {
    growth,
    view: {
      id: conversation.id,
      title: conversation.title,
      pinned: conversation.pinnedAt !== null,
      instructions: conversation.instructions,
      messages: tagged,
      tag: hashOf(tags),
      pulse: pulseOf(hashOf(tags), tagged),
      at: part.at,
      leaf,
      first: branch.turns[0]?.message.id ?? null,
      hasOlder: Boolean(branch.turns[0]?.message.parentId),
      newer: isEnd || part.before ? null : (last?.message.id ?? null),
      isEnd,
      writing,
      unfinished: [...jobs.values()].filter(job => job.isOpen),
      used: await loadUsed(db, conversation),
      line,
    },
  }
}

/** As far as it has come, or up to one piece. */
export async function loadGrowth(
  db: Db,
  userId: number,
  messageId: string,
  upTo = Number.POSITIVE_INFINITY,
): Promise<Growth> {
  const growth: Growth = { messageId, markdown: growMarkdown(userId, messageId), reasoning: '', seq: -1 }
  const deltas = (await listDeltas(db, messageId, -1)).filter(delta => delta.seq <= upTo)
  const join = (kind: Delta['kind']) => deltas.map(delta => (delta.kind === kind ? delta.text : '')).join('')
  await growth.markdown.add(join('text'))
  growth.reasoning = join('reasoning')
  growth.seq = deltas.at(-1)?.seq ?? -1
  return growth
}

/** Takes one more piece; gives the HTML of the blocks that it completed, or nothing. */
export async function grow(growth: Growth, delta: Delta): Promise<string> {
  growth.seq = delta.seq
  if (delta.kind === 'text') return growth.markdown.add(delta.text)
  growth.reasoning += delta.text
  return ''
}

interface Context {
  jobs: Map<string, JobView>
  receipts: Map<string, ReceiptView>
  account: Account | null
  edit: EditTerms
  growth: Growth | null
  isLeaf: boolean
}

async function loadJobs(db: Db, userId: number, { turns }: Branch): Promise<Context['jobs']> {
  const ids = turns.flatMap(turn => (turn.kind === 'tool' ? (turn.call.jobId ?? []) : []))
  if (ids.length === 0) return new Map()
  const jobs = await viewJobs(db, userId, await listJobsById(db, userId, ids))
  return new Map(jobs.map(job => [job.id, job]))
}

function viewTurn(turn: Turn, branch: Branch, context: Context): MessageView {
  const { id, conversationId, createdAt } = turn.message
  const common = { id, conversationId, createdAt, tag: '', branches: null }
  if (turn.kind === 'user') {
    const attachments = turn.attachments.map(each => viewAttachment(each, branch.files))
    const { text, parentId } = turn.message
    return { ...common, role: 'user', text, attachments, parent: parentId ?? '', nextSubmission: randomUUID() }
  }
  return turn.kind === 'tool'
    ? { ...common, ...viewCall(turn.call, branch, context) }
    : { ...common, ...viewReply(turn, branch, context) }
}

type Rest<T> = Omit<T, 'id' | 'conversationId' | 'createdAt' | 'tag' | 'branches'>

function viewReply(
  { reply, attachments, waiting }: Extract<Turn, { kind: 'assistant' }>,
  { files }: Branch,
  { growth, isLeaf, receipts }: Context,
): Rest<AnswerView> {
  const grown = growth?.messageId === reply.messageId ? growth : null
  return {
    role: 'assistant',
    state: reply.state,
    model: reply.model,
    effort: reply.effort,
    ...placeDrawn(grown ? grown.markdown.html : (reply.html ?? ''), attachments, waiting, files),
    tail: grown ? grown.markdown.tail : '',
    reasoning: grown ? grown.reasoning : reply.reasoning,
    seq: grown ? grown.seq : -1,
    stopping: reply.state === 'running' && reply.cancelRequestedAt !== null,
    parked: reply.parkedAt !== null && reply.finishedAt === null,
    waitsUntil: reply.state === 'queued' ? reply.notBefore : null,
    waitsFor: reply.state === 'queued' ? reply.waitsFor : null,
    keyId: reply.keyId,
    cutBy: reply.cutBy,
    failure: reply.failureReason && {
      reason: reply.failureReason,
      charged: reply.charged ?? 'unknown',
      detail: reply.failureDetail,
      retryAt: reply.retryAt,
      requestId: reply.requestId,
    },
    ...viewMoney(reply),
    receipt: receipts.get(reply.messageId) ?? null,
    inputTokens: reply.inputTokens,
    outputTokens: reply.outputTokens,
    cost: reply.cost,
    isOver: reply.finishedAt !== null,
    goesOn:
      isLeaf && Boolean(reply.html) && (['stopped', 'failed', 'unknown'].includes(reply.state) || reply.cutBy !== null),
    nextSubmission: randomUUID(),
  }
}

function viewMoney(reply: Reply): Pick<AnswerView, 'sentences' | 'money' | 'mayCheck'> {
  const { state, failureReason: reason } = reply
  const isOver = state !== 'queued' && state !== 'running'
  const charged = reply.charged ?? (isOver && !reply.calledAt ? 'no' : 'unknown')
  const isPlain = !isOver || (state === 'done' && reply.evidence === null && charged !== 'unknown')
  return {
    sentences: sentencesOf({ of: 'answer', state: isOver ? state : 'done', reason, charged }),
    money: isPlain ? null : moneyOf(charged, reply.cost, reply.evidence),
    mayCheck: isInDoubt(reply),
  }
}

function viewCall(call: ToolCall, { files }: Branch, { jobs, account, edit }: Context): Rest<ToolView> {
  const { state, prompt, size, n } = call
  return {
    role: 'tool',
    state,
    problem: call.problem as ToolProblem | null,
    prompt,
    size,
    n,
    quality: defaultModel.defaults.quality,
    quote: quote(account, readForm({ size, n: String(n), references: call.sources }), edit),
    sizes,
    sources: call.sources.map(token => viewPicture(token, '', files)),
    job: (call.jobId && jobs.get(call.jobId)) || null,
    error: null,
  }
}

function viewAttachment(attachment: Attachment, files: ReadonlyMap<string, StoredFile>): AttachmentView {
  const { token, textId, name } = attachment
  return token ? viewPicture(token, name, files) : { value: `text:${textId}`, name, picture: null, isText: true }
}

export function viewPicture(token: string, name: string, files: ReadonlyMap<string, StoredFile>): AttachmentView {
  const file = files.get(token)
  const url = `/files/${token}`
  return {
    value: `picture:${token}`,
    name,
    picture: file ? { url, thumbUrl: `${url}/thumb`, width: file.width, height: file.height } : null,
    isText: false,
  }
}

function branchesOf(siblings: readonly { id: string }[], id: string): MessageView['branches'] {
  const index = siblings.findIndex(each => each.id === id)
  if (siblings.length < 2 || index < 0) return null
  return {
    index: index + 1,
    count: siblings.length,
    previous: siblings[index - 1]?.id ?? null,
    next: siblings[index + 1]?.id ?? null,
  }
}

/** Text that grows is not in it: pages hear of that in another way. */
function tagOf(message: MessageView): string {
  const rest =
    message.role === 'assistant'
      ? [
          message.isOver ? message.state : 'open',
          message.stopping,
          message.goesOn,
          message.waitsUntil?.getTime(),
          message.money?.word,
          message.money?.candidates.length,
          message.isOver && message.drawn.waits,
          message.isOver && message.drawn.isMissing,
        ]
      : message.role === 'tool'
        ? [message.state, message.job?.id]
        : []
  return [message.id, message.branches?.index, message.branches?.count, ...rest].join('.')
}

function tagOfWaiting({ id, held, waitsFor }: LineView): string {
  return [id, held?.key, waitsFor].join('.')
}

/** A page with a stream is told of these apart from the rest: text as it grows, and costs. */
function pulseOf(tag: string, messages: readonly MessageView[]): string {
  const last = messages.at(-1)
  const known = messages.filter(message => message.role === 'assistant' && message.cost !== null)
  return [tag, last?.role === 'assistant' ? last.seq : -1, known.length].join('.')
}

export function readPulse(pulse: string): { tag: string; seq: number; costs: number } {
  const [, tag = '', seq = '-1', costs = '-1'] = /^(\w+)\.(-?\d{1,9})\.(\d{1,9})$/.exec(pulse) ?? []
  return { tag, seq: Number(seq), costs: Number(costs) }
}

function hashOf(tags: readonly string[]): string {
  // FNV-1a, 32 bits: it only has to differ when something changed.
  let hash = 0x811c9dc5
  for (const character of tags.join(' ')) {
    hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) >>> 0
  }
  return hash.toString(36)
}
