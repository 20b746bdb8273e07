import { editTokenCost } from '../account/edit-previews.ts'
import { priceRange } from '../account/prices.ts'
import type { Account } from '../account/queries.ts'
import { defaultModel, findCapability } from './capabilities.ts'
import type { EditTerms } from './edit-terms.ts'
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
  { times = 1, told = [], edit }: { times?: number; told?: readonly Doubt['why'][]; edit?: EditTerms } = {},
): QuoteView {
  const model = findCapability(values.model) ?? defaultModel
  const size = sizeOf(values)
  const refused = refuseSize(model, size)
  const n = Math.min(Math.max(readWholeNumber(values.n) ?? 1, 1), model.maxCount)
  const prices = account?.keyPrices
  const byTokens = refused || !edit ? null : tokensOf(values, size, n, edit)
  if (refused || !prices) {
    return { each: null, total: null, least: null, n, refused, overBalance: null, terms: '', byTokens }
  }
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
    byTokens,
    terms: writeTerms({ prices, told: isOver ? [...told, 'over_balance'] : told }),
  }
}

/** Where previews make an edit one that is billed by tokens, or may. */
function tokensOf(
  values: FormValues,
  size: string,
  n: number,
  { previews, byTokens }: EditTerms,
): QuoteView['byTokens'] {
  const references = values.references.length
  if (references === 0 || previews === 0 || byTokens === false) return null
  const usd = editTokenCost({ size, quality: values.quality, n, references, previews })
  return { usd, isSeen: byTokens === true }
}
