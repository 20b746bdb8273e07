import { type Prices, type Tier, tierOf } from '../account/prices.ts'
import type { ReceiptCopy } from './copy-queries.ts'

/** What can be said of a receipt, in the order in which it is said where several are true. */
export const judgements = [
  'as_asked',
  'billed_dearer_tier',
  'billed_more',
  'delivered_smaller',
  'delivered_fewer',
  'charged_without_picture',
  'billed_by_tokens',
  'stale_price_list',
  'not_settled',
] as const
type Word = (typeof judgements)[number]

export interface Judgement {
  verdict: Word
  /** The person has paid for it. */
  costs: boolean
  /** Another size or more pictures came than were asked for, whatever else is said. */
  differs: boolean
}

export type Judged = Pick<
  ReceiptCopy,
  | 'kind'
  | 'endedAt'
  | 'charged'
  | 'amount'
  | 'asked'
  | 'delivered'
  | 'billedBy'
  | 'billedTier'
  | 'billedCount'
  | 'prices'
  | 'reason'
>

interface Finding {
  verdict: Word
  costs: boolean
}

// The gateway rounds to ten decimals.
const LEAST_USD = 1e-6

/**
 * Whether a call delivered and cost what was asked for. Of what is true, the first that costs money is said, else the
 * first. It is told from the receipt alone, each time that it is shown: what is kept cannot contradict what is said, and
 * a better rule is true of all receipts at once.
 */
export function judge(receipt: Judged): Judgement {
  const differs = differsFromAsked(receipt)
  if (!isSettled(receipt)) return { verdict: 'not_settled', costs: false, differs }
  const found = receipt.kind === 'picture' ? findInPictures(receipt) : findInWords(receipt)
  const ordered = found.toSorted((a, b) => judgements.indexOf(a.verdict) - judgements.indexOf(b.verdict))
  const said = ordered.find(({ costs }) => costs) ?? ordered[0] ?? { verdict: 'as_asked', costs: false }
  return { ...said, differs }
}

/** The pictures that are whole; null: not told. */
export function shownOf({ delivered }: Pick<Judged, 'delivered'>) {
  return delivered?.filter(({ condition }) => condition === 'whole')
}

/** The dearest tier of these pictures, by their pixels; null for none. */
export function dearestTier(pictures: readonly { width: number; height: number }[]): Tier | null {
  const tiers = pictures.map(({ width, height }) => tierOf(`${width}x${height}`))
  return order.findLast(tier => tiers.includes(tier)) ?? null
}

const order: readonly Tier[] = ['1K', '2K', '4K']

function isSettled({ endedAt, charged, amount }: Judged): boolean {
  return endedAt !== null && (charged === 'no' || (charged === 'yes' && amount !== null))
}

function paidOf({ charged, amount }: Judged): number {
  return charged === 'yes' ? Number(amount ?? 0) : 0
}

function findInPictures(receipt: Judged): Finding[] {
  const { billedBy, billedCount, prices, asked } = receipt
  const paid = paidOf(receipt)
  const isPaid = paid > 0
  // Of what was free, and is not told, nothing came.
  const shown = shownOf(receipt) ?? (receipt.charged === 'no' ? [] : null)
  const isByTokens = isPaid && billedBy === 'tokens'
  const found: Finding[] = []
  if (isByTokens)
    found.push({ verdict: 'billed_by_tokens', costs: shown !== null && isMore(paid, priceOf(prices, shown)) })
  if (isPaid && !isByTokens) {
    const stale = pricedElsewise(receipt, paid)
    if (stale) found.push(stale)
  }
  if (shown === null) return found
  if (shown.length === 0 && isPaid) return [...found, { verdict: 'charged_without_picture', costs: true }]
  if (!isByTokens && isPaid) {
    if (isDearerTier(receipt, dearestTier(shown))) found.push({ verdict: 'billed_dearer_tier', costs: true })
    if ((billedCount ?? 0) > shown.length) found.push({ verdict: 'billed_more', costs: true })
  }
  if (shown.some(picture => isSmaller(picture, asked.size))) found.push({ verdict: 'delivered_smaller', costs: false })
  const isFewer = typeof asked.n === 'number' && shown.length < asked.n
  if (isFewer && (!isPaid || (billedCount ?? 0) <= shown.length))
    found.push({ verdict: 'delivered_fewer', costs: false })
  return found
}

/** Of an answer, or a title, it is known whether it came to its end. */
function findInWords(receipt: Judged): Finding[] {
  if (receipt.reason === null && receipt.charged !== 'no') return []
  const isPaid = paidOf(receipt) > 0
  return [{ verdict: isPaid ? 'charged_without_picture' : 'delivered_fewer', costs: isPaid }]
}

/** The tier and the count that were billed come to another amount on the list that was shown. */
function pricedElsewise({ prices, billedTier, billedCount }: Judged, paid: number): Finding | null {
  if (!prices || !isTier(billedTier) || !billedCount) return null
  const expected = prices[billedTier] * billedCount
  if (Math.abs(paid - expected) <= LEAST_USD) return null
  return { verdict: 'stale_price_list', costs: paid > expected }
}

/** Where two tiers cost the same, neither is dearer. */
function isDearerTier({ prices, billedTier }: Judged, delivered: Tier | null): boolean {
  if (!isTier(billedTier) || delivered === null || order.indexOf(billedTier) <= order.indexOf(delivered)) return false
  return prices === null || isMore(prices[billedTier], prices[delivered])
}

function priceOf(prices: Prices | null, pictures: readonly { width: number; height: number }[]): number | null {
  if (prices === null) return null
  return pictures.reduce((sum, { width, height }) => sum + prices[tierOf(`${width}x${height}`) ?? '2K'], 0)
}

function isMore(usd: number, than: number | null): boolean {
  return than !== null && usd > than + LEAST_USD
}

function isTier(name: string | null): name is Tier {
  return order.some(tier => tier === name)
}

function sizeOf(asked: unknown): [number, number] | null {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(String(asked)) ?? []
  return width && height ? [Number(width), Number(height)] : null
}

function isSmaller({ width, height }: { width: number; height: number }, asked: unknown): boolean {
  const size = sizeOf(asked)
  return size !== null && width * height < size[0] * size[1]
}

function differsFromAsked(receipt: Judged): boolean {
  const shown = shownOf(receipt) ?? []
  const size = sizeOf(receipt.asked.size)
  const isOther = size !== null && shown.some(({ width, height }) => width !== size[0] || height !== size[1])
  return isOther || (typeof receipt.asked.n === 'number' && shown.length > receipt.asked.n)
}
