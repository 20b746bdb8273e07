import type { ObstacleView } from '../../account/view.ts'
import type { Charged, FailureReason } from '../../gateway/errors.ts'
import type { WindowName } from '../../gateway/windows.ts'
import type { JobView, QuoteView } from '../../images/view.ts'
import type { RefusedView } from '../../library/refused.ts'
import type { MoneyView } from '../../spend/evidence.ts'
import type { ReceiptView } from '../../spend/view.ts'
import type { Said, See } from '../../web/errors.ts'
import type { Key } from '../../web/i18n.ts'
import type { ToolProblem } from '../answer/tools.ts'
import type { Hit } from '../find-queries.ts'
import type { ChatModel } from '../models.ts'

/** The list beside every conversation. */
export interface ListView {
  pinned: RowView[]
  days: { label: string; rows: RowView[] }[]
  /** Address of the next page; null at the end. */
  older: string | null
  search: string
  open: boolean
}

export interface RowView {
  id: string
  /** Empty: still without a name. */
  title: string
  pinned: boolean
  /** Just deleted: the row offers to undo it. */
  deleted: boolean
  current: boolean
  /** The newest message that has the words that are searched for. */
  found: string | null
}

export interface ThreadView {
  id: string
  title: string
  pinned: boolean
  instructions: string
  messages: MessageView[]
  /** Changes with everything that the thread shows. */
  tag: string
  /** The message whose branch was asked for; null: the newest. */
  at: string | null
  /** What the next message goes below, as `findNamedLeaf` reads it; null: it begins the conversation. */
  leaf: string | null
  /** The first of `messages`. */
  first: string | null
  /** Something stands above it. */
  hasOlder: boolean
  /** The last message, from where its branch can be read on; null where that is not known, or is the end. */
  newer: string | null
  /** The messages go on to the end of the branch: the page is kept up to date. */
  isEnd: boolean
  /** The answer that is being written; null when none is. */
  writing: string | null
  /** Changes with everything that a page without a stream must hear of. */
  pulse: string
  /** Picture jobs that are under way. */
  unfinished: JobView[]
  used: UsedView
  line: LineView[]
}

/** A message that waits for the end of an answer. */
export interface LineView {
  id: string
  conversationId: string
  /** As it was typed; of a message without words, the names of its files. */
  text: string
  files: number
  /** Why it does not go by itself. */
  held: { key: Key; params: Record<string, unknown>; see: See | null } | null
  /** What it waits for: those before it, an answer, a picture, or a yes or no to one; null when it goes. */
  waitsFor: 'line' | 'writing' | 'painting' | 'asked' | null
}

/** What was looked for in the conversation, and where it stands. */
export interface FoundView {
  conversationId: string
  words: string
  /** In their order; of very many the newest. */
  hits: (Hit & { url: string })[]
  hasMore: boolean
  /** Of the one that the reader is at; -1: none of them. */
  index: number
}

/** What a conversation has used so far. */
export interface UsedView {
  /** Tokens, as answers said. */
  input: number
  output: number
  /** US dollars that were billed, pictures and its title included. */
  usd: number
  /** Calls whose bill has not come. */
  open: number
}

export type MessageView = UserView | AnswerView | ToolView

interface Common {
  id: string
  conversationId: string
  tag: string
  /** Messages beside this one, under the same parent; null when it is the only one. */
  branches: { index: number; count: number; previous: string | null; next: string | null } | null
  createdAt: Date
}

export interface UserView extends Common {
  role: 'user'
  text: string
  attachments: AttachmentView[]
  /** The message above; '' at the beginning: an edited message goes below the same. */
  parent: string
  /** Idempotency key of the form that sends it changed. */
  nextSubmission: string
}

/** A file beside a message, or waiting in the composer. */
export interface AttachmentView {
  /** What a form sends back: `picture:<token>` or `text:<id>`. */
  value: string
  name: string
  /** Null for a text, and for a picture that is gone. */
  picture: { url: string; thumbUrl: string; width: number; height: number } | null
  isText: boolean
}

export interface AnswerView extends Common {
  role: 'assistant'
  state: 'queued' | 'running' | 'done' | 'failed' | 'unknown' | 'stopped'
  model: string
  effort: string | null
  /** Rendered; of a running answer the blocks that are complete. */
  html: string
  /** What follows them, as written. */
  tail: string
  reasoning: string
  /** Of a running answer: the newest piece that is in it. */
  seq: number
  stopping: boolean
  /** It came back from a backup: the operator says whether it goes on. */
  parked: boolean
  waitsUntil: Date | null
  /** The window of its key that opens then. */
  waitsFor: WindowName | null
  /** That pays. */
  keyId: number | null
  /** What made the model stop early; null when it came to its end. */
  cutBy: string | null
  failure: {
    reason: FailureReason
    charged: Charged
    detail: string | null
    retryAt: Date | null
    requestId: string | null
  } | null
  drawn: DrawnView
  sentences: { what: Key; next: Key[] }
  /** What is said about the money beside the cost; null for one that ended well. */
  money: MoneyView | null
  /** Whether another look could tell more. */
  mayCheck: boolean
  /** Of its newest call; null before one. */
  receipt: ReceiptView | null
  inputTokens: number | null
  outputTokens: number | null
  /** US dollars; null until the gateway told. */
  cost: number | null
  /** It can be asked for again: it has ended. */
  isOver: boolean
  /** It stands last, and was cut off in the middle. */
  goesOn: boolean
  /** Idempotency key of the forms that ask for another answer, or for more. */
  nextSubmission: string
}

/** What is to be said of the pictures that came with an answer. */
export interface DrawnView {
  /** Of what was no picture. */
  letters: { url: string; name: string }[]
  /** One is the preview of a picture that never came. */
  hasPreview: boolean
  /** One is safe on a worker's disk and waits for the store; `away`: that worker has not been heard of for a while. */
  waits: 'store' | 'away' | null
  /** One never came, or is gone. */
  isMissing: boolean
}

export interface ToolView extends Common {
  role: 'tool'
  state: 'asked' | 'painting' | 'done' | 'failed' | 'declined' | 'refused'
  problem: ToolProblem | null
  prompt: string
  size: string
  n: number
  quality: string
  quote: QuoteView
  sizes: readonly string[]
  sources: AttachmentView[]
  job: JobView | null
  /** Why it could not be started, after Generate was pressed. */
  error: Said | null
}

/** The form under the thread. */
export interface ChatComposerView {
  /** Null: it begins a conversation. */
  conversationId: string | null
  parent: string | null
  text: string
  attachments: AttachmentView[]
  /** What should have been one: nothing is sent while it stands there. */
  refused: RefusedView[]
  models: ChatModel[]
  model: string
  effort: string
  submission: string
  /** Which draft it went on from, as `draftField` says it; null in a conversation. */
  draft: string | null
  /** Above the form; null when all is well. */
  error: Said | null
  obstacle: ObstacleView | null
  /** An answer is being written: what is sent waits for its end. */
  writing: string | null
  line: LineView[]
  /** While something is awaited; null: nothing is. */
  meanwhile: MeanwhileView | null
  /** A budget lets nothing be asked before the answer before it is billed. */
  waitsForBills: boolean
}

/** Without JavaScript a page asks for itself anew, with nowhere to type, or it has the box and does not. */
export interface MeanwhileView {
  reloads: boolean
  /** The page that does the other. */
  href: string
}

export interface ChatSettingsView {
  instructions: string
  askBeforePaying: boolean
}
