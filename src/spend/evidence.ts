import { z } from 'zod'
import type { Charged } from '../gateway/errors.ts'
import { parse } from '../web/parse.ts'

/** How a usage row says that a call was billed. */
export const Bill = z.object({
  by: z.enum(['picture', 'tokens']).nullable(),
  /** `1K`, `2K` or `4K`, and how many pictures; null where the gateway does not say. */
  tier: z.string().nullable(),
  count: z.number().nullable(),
  /** The multiplier of the key's group, or of the person. */
  rate: z.number().nullable(),
})
export type Bill = z.output<typeof Bill>

/** A call that the gateway has billed to the same key in the same time, and that nothing here explains. */
const Candidate = z.object({
  usageId: z.number(),
  at: z.coerce.date().nullable(),
  model: z.string(),
  cost: z.number(),
  bill: Bill.nullable().default(null),
})

/** What the usage rows said of a call whose outcome was not known. */
export const Evidence = z.object({
  /**
   * `charged`, `not_charged`: proven. `too_early`: no row so far, the gateway may still be at it. `unclear`: one of the
   * candidates may be it. `unheard`: the gateway could not be asked. `decided`: the person has said.
   */
  outcome: z.enum(['charged', 'not_charged', 'too_early', 'unclear', 'unheard', 'decided']),
  at: z.coerce.date(),
  /** It is looked for by itself until then; null: not any more. */
  until: z.coerce.date().nullable().default(null),
  /** Of the row that explains it. */
  usageId: z.number().nullable(),
  candidates: z.array(Candidate).default([]),
})
export type Evidence = z.output<typeof Evidence>

/** What is known of the money for one call; `amount` in US dollars. */
export interface Verdict {
  charged: Charged
  amount: number | null
  /** The gateway's number of the row that explains it. */
  usageId: number | null
  /** Null without a row. */
  bill: Bill | null
  /** Null for a call that was known to be charged. */
  evidence: Evidence | null
}

/** What a page says about the money, and nothing else on it does. `word` is one of `spend.verdict.*`. */
export interface MoneyView {
  word:
    | 'charged'
    | 'charged_amount'
    | 'not_charged'
    | 'unknown'
    | 'looking'
    | 'unheard'
    | 'undecided'
    | 'decided_yes'
    | 'decided_no'
  charged: Charged
  cost: number | null
  until: Date | null
  lookedAt: Date | null
  candidates: Evidence['candidates']
}

/** Whether the usage rows, or the person, could still tell more about the call of a row. */
export function isInDoubt(row: { charged: Charged | null; calledAt: Date | null; finishedAt: Date | null }): boolean {
  return row.charged === 'unknown' && row.calledAt !== null && row.finishedAt !== null
}

export function moneyOf(charged: Charged, cost: number | null, evidence: Evidence | null): MoneyView {
  return {
    word: wordOf(charged, cost, evidence),
    charged,
    cost,
    until: charged === 'unknown' ? (evidence?.until ?? null) : null,
    lookedAt: charged === 'unknown' ? (evidence?.at ?? null) : null,
    candidates: charged === 'unknown' && evidence?.outcome === 'unclear' ? evidence.candidates : [],
  }
}

function wordOf(charged: Charged, cost: number | null, evidence: Evidence | null): MoneyView['word'] {
  const isDecided = evidence?.outcome === 'decided'
  if (charged === 'no') return isDecided ? 'decided_no' : 'not_charged'
  if (charged === 'yes') return isDecided ? 'decided_yes' : cost === null ? 'charged' : 'charged_amount'
  if (evidence?.outcome === 'unclear') return 'undecided'
  if (evidence?.outcome === 'unheard') return 'unheard'
  return evidence?.until && evidence.until > new Date() ? 'looking' : 'unknown'
}

/** The row that a form names, by the gateway's number; null for none of them. */
export function rowOf(form: unknown): number | null {
  const { row } = parse(z.object({ row: z.union([z.literal('none'), z.coerce.number().int()]) }), form)
  return row === 'none' ? null : row
}
