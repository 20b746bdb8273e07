import type { Tier } from '../account/prices.ts'
import type { Charged } from '../gateway/errors.ts'
import type { Key } from '../web/i18n.ts'
import type { ReceiptCopy } from './copy-queries.ts'
import type { Judgement } from './judge.ts'

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
