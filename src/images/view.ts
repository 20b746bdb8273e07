import type { Honour } from '../account/honours.ts'
import type { KeyReason, ObstacleView } from '../account/view.ts'
import type { Charged, FailureReason } from '../gateway/errors.ts'
import type { WindowName } from '../gateway/windows.ts'
import type { RefusedView } from '../library/refused.ts'
import type { PictureView } from '../library/view.ts'
import type { Capability } from '../models/image-models.ts'
import type { SizeRule } from '../models/sizes.ts'
import type { MoneyView } from '../spend/evidence.ts'
import type { Usual } from '../spend/how-long.ts'
import type { Key } from '../web/i18n.ts'
import type { Advice } from './advice.ts'

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'unknown' | 'cancelled'

/** A job that a page goes on asking about. */
export type OpenJob = Pick<JobView, 'tag' | 'state'>

/** One picture job as a tile or as its own page shows it. */
export interface JobView {
  id: string
  state: JobState
  /** What the page shows now; a poll sends it back and gets an answer only when it differs. */
  tag: string
  /** A page goes on asking about it. */
  isOpen: boolean
  model: string
  prompt: string
  /** Requested: `1024x1024` or `auto`. */
  size: string
  /** Of the tile: the requested size, or that of the first picture, or a square. */
  width: number
  height: number
  quality: string
  n: number
  format: string
  background: string
  moderation: string
  compression: number | null
  createdAt: Date
  startedAt: Date | null
  finishedAt: Date | null
  /** The gateway told it, or another job of its key, to come again then: nothing is sent before; null unless queued for that. */
  waitsUntil: Date | null
  /** How long it takes from when it is sent on; null where too little is known, or nothing is made any more. */
  usual: Usual | null
  /** Place in the queue from 1, 100 for whatever is behind the 99th; null unless queued for that. */
  place: number | null
  /** It is the first in the queue, and nothing else is made just now. */
  isStarting: boolean
  /** It came back from a backup: the operator says whether it goes on. */
  parked: boolean
  /** Why nothing that stands in the queue is begun just now. */
  blocked: 'store' | 'spill' | null
  /** The newest partial image; null when there is none yet. `step` 0–2: later ones are sharper. */
  preview: { url: string; step: number } | null
  /** What it starts from; any make it an edit. */
  references: ReferenceView[]
  /** The mask over the first reference; null without one. */
  maskUrl: string | null
  /** Made with a mask, but in other proportions than the original: the two cannot be laid over each other. */
  otherShape: boolean
  /** What is there to be seen or saved, with previews and what cannot be shown. */
  pictures: PictureView[]
  /** Where the gateway says that pictures are which could not be fetched from there. */
  unfetched: { url: string; host: string }[]
  /** How many of the pictures that were asked for have arrived, be it in part; while running fewer than `n`. */
  arrived: number
  /** A cancel was asked for and the worker has not acted on it yet. */
  cancelling: boolean
  /** Set while paid pictures wait on the worker's own disk for the store: `away` when that worker is not heard of. */
  safe: { since: Date | null; away: boolean } | null
  /**
   * Set for `failed` and `unknown`, for `cancelled` when the gateway had been asked already, and for `done` when some
   * of the pictures are missing.
   */
  failure: JobFailure | null
  /** What is said of one that did not end well, and of what is missing. */
  sentences: { what: Key; next: Key[] }
  /** What is said about the money. */
  money: MoneyView
  /** It came to nothing and its money is settled: it may be put out of the way. */
  mayDismiss: boolean
  /** Whether another look could tell more. */
  mayCheck: boolean
  /** The batch it was started in; `paused`: it waits for that to go on. */
  batch: { id: string; paused: boolean } | null
  /** Idempotency key for a form that asks for the same again: a double click makes one job. */
  nextSubmission: string
  /** US dollars: charged by the gateway, once its usage row was found. */
  cost: number | null
  /**
   * US dollars, at most, until the cost is known: for the `n` asked for, then for what was made; 0 for what was free. Null
   * when the price is not known.
   */
  estimate: number | null
  /** The window of its key that `waitsUntil` is the end of; null when it waits for something else. */
  waitsFor: WindowName | null
  /** The gateway asked for that. */
  slowed: boolean
  /** So many are made at once with its key, and are being made; else null. */
  atOnce: number | null
  /** The gateway refused its key, by this name: it waits for that to work, or for another one. Null when it does not. */
  needsKey: string | null
  /** US dollars that the balance lacks for it; null when it does not wait for that. */
  missing: number | null
  /** Of the key that pays. */
  keyId: number
  /** Name of the SSH key that asked; null when it was a person in a browser. */
  madeBy: string | null
  /** Nothing was asked for after it: it is shown large. */
  isNewest?: boolean
}

export interface JobFailure {
  reason: FailureReason
  charged: Charged
  /** The gateway's own words, shown folded. */
  detail: string | null
  field: string | null
  retryAt: Date | null
  requestId: string | null
}

/** The prompt form: what was typed, what is wrong with it, what may be chosen. */
export interface ComposerView {
  values: {
    model: string
    prompt: string
    /** One of the offered sizes, `auto`, or `custom` with width and height. */
    size: string
    width: string
    height: string
    quality: string
    n: string
    format: string
    compression: string
    background: string
    moderation: string
    /** File tokens, in order. */
    references: string[]
    /** Files that could not be used, as `refusedFile` names them. */
    refused: string[]
    /** Id of the mask over the first reference, or empty. */
    mask: string
  }
  /** The references as the form shows them. */
  references: ReferenceView[]
  /** What should have been one: nothing is made while it stands there. */
  refused: RefusedView[]
  /** The mask over the first of them. */
  mask: MaskView | null
  /** The size is no more the one that was chosen: it is of the proportions of what the mask lies over. */
  followsPicture: boolean
  /** Field → sentence in the reader's language. */
  errors: Partial<Record<string, string>>
  /** Every model's row of the capability table; the first is the default. */
  models: Capability[]
  quote: QuoteView
  /** One thing that would be had for less, or more for the same. */
  advice: Advice | null
  /** Idempotency key of this form: a double click or a resubmission makes one job. */
  submission: string
  /** Which page types, and what it went on from, so that it writes over no other words. */
  draft: string
  /** Why no picture can be made right now; the form stays usable as a draft. */
  obstacle: ObstacleView | null
  /** What may pay, the chosen one first; empty where there is no choice. `why`: it was chosen for the person. */
  keys: { id: number; name: string; group: string | null }[]
  why: KeyReason | null
}

/** A draft that was not sent, beside the form that is shown. */
export interface KeptDraftView {
  page: string
  /** Its beginning; empty for pictures alone. */
  words: string
  /** Pictures to start from, or what goes with a message. */
  files: number
  /** It is still the draft: nothing has been typed into the form that is shown. */
  isDraft: boolean
}

/** What is looked for in a person's own history, and how else it may be shown. */
export interface HistoryView {
  q: string
  show: JobKind
  ways: { kind: JobKind; href: string; isChosen: boolean }[]
  isNarrow: boolean
}
export type JobKind = 'all' | 'made' | 'open' | 'nothing'

/** A picture to start from. */
export interface ReferenceView {
  token: string
  url: string
  thumbUrl: string
  width: number
  height: number
}

/** What of a picture may change: a PNG of its size, transparent there. */
export interface MaskView {
  id: string
  url: string
  width: number
  height: number
}

/** Many prompts in one go, before they are started: one line each, all with the same settings. */
export interface BatchForm {
  /** As typed. */
  prompts: string
  /** Whether `{red|blue}` stands for two prompts. */
  choices: boolean
  values: ComposerView['values']
  references: ReferenceView[]
  refused: RefusedView[]
  mask: MaskView | null
  models: Capability[]
  /** Field → sentence, as in the composer; `prompts` for the lines as a whole. */
  errors: Partial<Record<string, string>>
  /** Empty until a preview was asked for. */
  lines: { prompt: string; error: string | null }[]
  /** What one line costs; its terms are those of all. */
  each: QuoteView
  /** What the key has not done lately of what all lines ask for; null where that is not known, or not wanted. */
  warning: Honour | null
  submission: string
  /** Names what the preview is of; null without one. */
  previewed: string | null
  limit: number
  obstacle: ObstacleView | null
}

/** A batch under way, or done. */
export interface BatchView {
  id: string
  /** As `JobView.tag`. */
  tag: string
  paused: boolean
  createdAt: Date
  counts: Record<JobState, number>
  total: number
  /** US dollars for all, at most: what is known of the cost, and the estimates of the rest; null when not known. */
  usd: number | null
  /** It is the cost of all. */
  isSettled: boolean
  /** In the order of the lines. */
  jobs: JobView[]
}

/** The price line under the form; checked as typed. */
export interface QuoteView {
  /** US dollars for one picture and for all `n`, at most; null when the size is refused or the price unknown. */
  each: number | null
  total: number | null
  /** The least that all could cost, where the price follows the size that comes back; else null. */
  least: number | null
  n: number
  /** A refused free size: which rule and the nearest legal size; words from `images.size_rule.<rule>`. */
  refused: { rule: SizeRule; nearest: string } | null
  /** The balance, in US dollars, where it does not cover the price; else null. */
  overBalance: number | null
  /** US dollars that would be left of the balance; null where it does not cover the price, or does not pay. */
  balanceAfter: number | null
  /** Of an edit whose previews may have it billed by tokens: US dollars, and whether this key was seen to. */
  byTokens: { usd: number; isSeen: boolean } | null
  /** How long it takes to make; null where too little is known. */
  usual: Usual | null
  /** What is told of the price here, for `readTerms`. */
  terms: string
}

/** What has to be said of a price before a button pays; its form goes on. */
export interface DoubtView {
  action: string
  sentence: string
  terms: string
  /** What was sent already. */
  fields: Record<string, string>
}
