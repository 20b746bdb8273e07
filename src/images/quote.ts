import type { Account } from '../account/queries.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { refuseSize } from '../models/sizes.ts'
import type { Usual } from '../spend/how-long.ts'
import type { EditTerms } from './edit-terms.ts'
import { estimateOf } from './estimate.ts'
import { type FormValues, readWholeNumber, sizeOf } from './prompt.ts'
import { type Doubt, isOverBalance, writeTerms } from './terms.ts'
import type { QuoteView } from './view.ts'

/** Of what is told to cost so much, at most. */
function balanceAfter({ balance, keyState }: Account, price: number): number | null {
  if (balance === null || keyState?.isPlan) return null
  return balance - price >= 0 ? balance - price : null
}

/**
 * What the form as it stands would cost with the chosen key, `times` over, or why its size cannot be made. `told`: what
 * an answer around it says of the price beside that; `usual`: how long one of it takes, where that is known.
 */
export function quote(
  account: Account | null,
  values: FormValues,
  edit: EditTerms,
  { times = 1, told = [], usual = null }: { times?: number; told?: readonly Doubt['why'][]; usual?: Usual | null } = {},
): QuoteView {
  const model = findCapability(values.model) ?? defaultModel
  const size = sizeOf(values)
  const refused = refuseSize(model, size)
  const n = Math.min(Math.max(readWholeNumber(values.n) ?? 1, 1), model.maxCount)
  const { quality, references } = values
  const estimate = refused ? null : estimateOf(account, { size, quality, n, references }, edit)
  if (!account?.keyPrices || !estimate) {
    return {
      each: null,
      total: null,
      least: null,
      n,
      refused,
      overBalance: null,
      balanceAfter: null,
      terms: '',
      byTokens: null,
      usual: refused ? null : usual,
    }
  }
  const { least, most, byTokens } = estimate
  const isOver = isOverBalance(account, most * times)
  return {
    each: byTokens ? null : most / n,
    total: most,
    least: least < most ? least : null,
    n,
    refused,
    overBalance: isOver ? account.balance : null,
    balanceAfter: balanceAfter(account, most * times),
    byTokens,
    usual,
    terms: writeTerms({ prices: account.keyPrices, told: isOver ? [...told, 'over_balance'] : told }),
  }
}
