import { isCurrent } from '../account/current.ts'
import { obstacleTo } from '../account/obstacle.ts'
import { type Prices, samePrices } from '../account/prices.ts'
import type { Account } from '../account/queries.ts'
import type { Translate } from '../web/i18n.ts'
import { money } from '../web/money.ts'
import type { EditTerms } from './edit-terms.ts'
import { estimateOf } from './estimate.ts'
import type { ImageRequest } from './prompt.ts'

/** What a person has been told of the price before pressing: it comes back with the form. */
export interface Terms {
  prices: Prices
  told: readonly Doubt['why'][]
}

/** What has to be said before anything is paid, and has not been yet. Words from `images.doubt.<why>`. */
export interface Doubt {
  why: 'unchecked' | 'over_balance' | 'dearer'
  params: { price: string; before: string; balance: string }
}

/** Each is told once: the form of the answer carries the terms that it told. Empty without anything new to say. */
export function doubtsAbout(
  account: Account | null,
  requests: readonly ImageRequest[],
  edit: EditTerms,
  seen: Terms | null,
): Doubt[] {
  if (!account?.keyPrices || obstacleTo(account, 'pictures')?.blocks) return []
  const price = totalOf(account, requests, edit)
  const before = seen ? totalOf({ ...account, keyPrices: seen.prices }, requests, edit) : price
  const params = { price: money(price), before: money(before), balance: money(account.balance ?? 0) }
  const isSame = seen !== null && samePrices(seen.prices, account.keyPrices)
  const doubts: [Doubt['why'], boolean][] = [
    ['dearer', price > before],
    ['unchecked', !isCurrent(account)],
    ['over_balance', isOverBalance(account, price)],
  ]
  return doubts.flatMap(([why, isSo]) => (isSo && !(isSame && seen.told.includes(why)) ? [{ why, params }] : []))
}

/** One sentence each, and what to do. */
export function wordDoubts(doubts: readonly Doubt[], t: Translate): string {
  return [...doubts.map(({ why, params }) => t(`images.doubt.${why}`, { ...params })), t('images.doubt.go_on')].join(
    ' ',
  )
}

/** What the form that carries these doubts has told by now. */
export function toldOf(doubts: readonly Doubt[], seen: Terms | null): Doubt['why'][] {
  return [...new Set([...(seen?.told ?? []), ...doubts.map(({ why }) => why)])]
}

/** The gateway serves as long as there is anything left, and the balance goes below zero. Plans do not touch it. */
export function isOverBalance(account: Account, price: number): boolean {
  const { balance, keyState } = account
  return balance !== null && balance > 0 && price - balance > 1e-9 && !keyState?.isPlan
}

/** At most. */
function totalOf(account: Account, requests: readonly ImageRequest[], edit: EditTerms): number {
  return requests.reduce((sum, request) => sum + (estimateOf(account, request, edit)?.most ?? 0), 0)
}

/** As `0.134/0.201/0.268 unchecked`. */
export function writeTerms({ prices, told }: Terms): string {
  return [`${prices['1K']}/${prices['2K']}/${prices['4K']}`, ...new Set(told)].join(' ')
}

/** Null when none came, or nothing of ours. */
export function readTerms(text: unknown): Terms | null {
  if (typeof text !== 'string' || text.length > 200) return null
  const [numbers = '', ...told] = text.split(' ')
  const [small = NaN, middle = NaN, large = NaN] = numbers.split('/').map(Number)
  if (![small, middle, large].every(Number.isFinite)) return null
  const known = (['unchecked', 'over_balance'] as const).filter(why => told.includes(why))
  return { prices: { '1K': small, '2K': middle, '4K': large }, told: known }
}
