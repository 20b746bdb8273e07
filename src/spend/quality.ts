import type { ReceiptCopy } from './copy-queries.ts'
import { judge, shownOf } from './judge.ts'

/** How calls for pictures went. */
export interface Quality {
  /** Ended, however they did. */
  calls: number
  /** Of them, those that brought a whole picture. */
  delivered: number
  /** Of them, those that nobody but the gateway or its provider kept from bringing one. */
  failed: number
  /** Those that were paid for; the next two are of them. */
  paid: number
  chargedWithoutPicture: number
  /** Billed a dearer tier than came, or came smaller than asked for. */
  downgraded: number
  /** By how much bills miss what was told before, as a share of that; null where nothing was told. */
  estimateError: number | null
  /** Seconds of those that brought a picture; null without any. */
  p50: number | null
  p95: number | null
}

export interface QualityOfGroup extends Quality {
  /** Of the key that paid; null: not known. */
  group: string | null
  model: string
}

/** Whose fault these are not. */
const ofThePerson =
  /^(bad_request|content_policy|insufficient_balance|key_|group_no_images|ip_denied|subscription|account_quota)/
const downgrades: readonly string[] = ['billed_dearer_tier', 'delivered_smaller']

export function qualityOf(receipts: readonly ReceiptCopy[]): Quality {
  const paid = receipts.filter(({ charged, amount }) => charged === 'yes' && Number(amount) > 0)
  const verdicts = paid.map(receipt => judge(receipt).verdict)
  const guessed = paid.filter(({ estimate }) => estimate !== null && Number(estimate) > 0)
  const told = sum(guessed.map(({ estimate }) => Number(estimate)))
  const missed = sum(guessed.map(({ estimate, amount }) => Math.abs(Number(amount) - Number(estimate))))
  const delivered = receipts.filter(receipt => (shownOf(receipt) ?? []).length > 0)
  const seconds = delivered
    .map(({ calledAt, endedAt }) => ((endedAt ?? calledAt).getTime() - calledAt.getTime()) / 1000)
    .toSorted((a, b) => a - b)
  return {
    calls: receipts.length,
    delivered: delivered.length,
    failed: receipts.filter(each => !delivered.includes(each) && !ofThePerson.test(each.reason ?? '')).length,
    paid: paid.length,
    chargedWithoutPicture: verdicts.filter(verdict => verdict === 'charged_without_picture').length,
    downgraded: verdicts.filter(verdict => downgrades.includes(verdict)).length,
    estimateError: told > 0 ? missed / told : null,
    p50: quantile(seconds, 0.5),
    p95: quantile(seconds, 0.95),
  }
}

/** The same by group and model, the busiest first. */
export function qualityByGroup(receipts: readonly ReceiptCopy[]): QualityOfGroup[] {
  const groups = Map.groupBy(receipts, ({ keyGroup, model }) => JSON.stringify([keyGroup, model]))
  return [...groups.values()]
    .map(some => ({ group: some[0]!.keyGroup, model: some[0]!.model, ...qualityOf(some) }))
    .toSorted((a, b) => b.calls - a.calls)
}

/** Of numbers in order, the nearest rank. */
function quantile(ordered: readonly number[], share: number): number | null {
  return ordered[Math.max(0, Math.ceil(ordered.length * share) - 1)] ?? null
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
