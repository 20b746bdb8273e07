import type { Tier } from '../account/prices.ts'
import type { Charged } from '../gateway/errors.ts'
import type { Key } from '../web/i18n.ts'
import type { ReceiptCopy } from './copy-queries.ts'
import type { Judgement } from './judge.ts'
import type { Grouping } from './period.ts'

/** A receipt as pages show it: what was asked, what came, what was billed; US dollars. */
export interface ReceiptView extends Judgement {
  /** The verdict in words. */
  word: Key
  id: string
  kind: ReceiptCopy['kind']
  /** Address of what it was for; null where that has none. */
  subjectUrl: string | null
  model: string
  calledAt: Date
  endedAt: Date | null
  asked: {
    /** Empty where it has none: of words. */
    size: string
    quality: string
    format: string
    n: number | null
    tier: Tier | null
    usd: number | null
  }
  /** Null: not told. */
  delivered: { sizes: string[]; formats: string[]; n: number; damaged: number; tier: Tier | null } | null
  billed: {
    charged: Charged
    usd: number | null
    by: ReceiptCopy['billedBy']
    tier: string | null
    n: number | null
    rate: number | null
  }
}

/** The evidence sheet, a line each; `text`: as it is copied and downloaded. */
export interface SheetView {
  lines: [label: string, value: string][]
  text: string
}

/** Sums of calls in US dollars; `unsettled` and `unknown` are apart, and at most. */
export interface SumsView {
  calls: number
  usd: number
  guessed: { usd: number; paid: number }
  unsettled: { calls: number; usd: number }
  unknown: { calls: number; usd: number }
}

export interface SpendView {
  range: string
  by: string
  ranges: { name: 'today' | 'week' | 'month'; url: string; current: boolean }[]
  groupings: { name: Grouping; url: string; current: boolean }[]
  from: string
  until: string
  zone: string
  /** What the browser says, where nobody has chosen a zone and it says another; else null. */
  otherZone: string | null
  rows: (SumsView & { name: string; url: string | null })[]
  total: SumsView | null
  /** One a day, from the first to the last; null where there is only one. */
  days: { day: string; usd: number; open: number }[] | null
  files: { csv: string; json: string }
  elsewhere: ElsewhereView
}

/** What is billed to the person's keys and nothing here explains. */
export type ElsewhereView =
  | { state: 'not_asked'; url: string }
  | { state: 'failed'; url: string }
  | { state: 'known'; keys: { name: string; calls: number; usd: number }[]; unreadBefore: Date | null }
