import { priceRange } from '../account/prices.ts'
import type { Account } from '../account/queries.ts'
import { defaultModel, findCapability } from './capabilities.ts'
import { type FormValues, readWholeNumber, sizeOf } from './prompt.ts'
import { refuseSize } from './sizes.ts'
import { type Doubt, isOverBalance, writeTerms } from './terms.ts'
import type { QuoteView } from './view.ts'

/**
 * What the form as it stands would cost with the chosen key, `times` over, or why its size cannot be made. `told`: what
 * an answer around it says of the price beside that.
 */
export function quote(
  account: Account | null,
  values: FormValues,
  { times = 1, told = [] }: { times?: number; told?: readonly Doubt['why'][] } = {},
): QuoteView {
  const model = findCapability(values.model) ?? defaultModel
  const size = sizeOf(values)
  const refused = refuseSize(model, size)
  const n = Math.min(Math.max(readWholeNumber(values.n) ?? 1, 1), model.maxCount)
  const prices = account?.keyPrices
  if (refused || !prices) return { each: null, total: null, least: null, n, refused, overBalance: null, terms: '' }
  const { least, most } = priceRange(prices, size)
  const total = most * n
  const isOver = isOverBalance(account, total * times)
  return {
    each: most,
    total,
    least: least < most ? least * n : null,
    n,
    refused,
    overBalance: isOver ? account.balance : null,
    terms: writeTerms({ prices, told: isOver ? [...told, 'over_balance'] : told }),
  }
}
