import { tierOf } from '../account/prices.ts'
import type { Account } from '../account/queries.ts'
import { defaultModel, findCapability } from './capabilities.ts'
import { type FormValues, readWholeNumber, sizeOf } from './prompt.ts'
import { refuseSize } from './sizes.ts'
import type { QuoteView } from './view.ts'

/** What the form as it stands would cost with the chosen key, or why its size cannot be made. */
export function quote(account: Account | null, values: FormValues): QuoteView {
  const model = findCapability(values.model) ?? defaultModel
  const size = sizeOf(values)
  const refused = refuseSize(model, size)
  const n = Math.min(Math.max(readWholeNumber(values.n) ?? 1, 1), model.maxCount)
  const each = refused || !account?.keyPrices ? null : account.keyPrices[tierOf(size)]
  return { each, total: each === null ? null : each * n, n, refused }
}
