import { editTokenCost } from '../account/edit-previews.ts'
import { priceRange } from '../account/prices.ts'
import type { Account } from '../account/queries.ts'
import type { EditTerms } from './edit-terms.ts'
import type { ImageRequest } from './prompt.ts'

type Priced = Pick<ImageRequest, 'size' | 'quality' | 'n' | 'references'>

/** What a request may cost before it is made, in US dollars for all its pictures. */
export interface Estimate {
  least: number
  most: number
  /** No bill above it can come back, whatever size the pictures have then; null: billed by tokens, there is no such bound. */
  dearest: number | null
  /** For an edit that is billed by tokens, or may be. */
  byTokens: { usd: number; isSeen: boolean } | null
}

/**
 * With a key and on the terms of its edits; null when the key's prices are not known. Where two ways to bill are
 * possible, `least` and `most` are the bounds of both.
 */
export function estimateOf(
  account: Pick<Account, 'keyPrices' | 'keyState'> | null,
  request: Priced,
  edit: EditTerms,
): Estimate | null {
  if (!account?.keyPrices) return null
  const { least, most } = priceRange(account.keyPrices, request.size)
  const dearest = Math.max(...Object.values(account.keyPrices)) * request.n
  const byPicture = { least: least * request.n, most: most * request.n }
  const byTokens = tokensOf(account, request, edit)
  if (!byTokens) return { ...byPicture, dearest, byTokens }
  const { usd, isSeen } = byTokens
  if (isSeen) return { least: usd, most: usd, dearest: null, byTokens }
  return { least: Math.min(byPicture.least, usd), most: Math.max(byPicture.most, usd), dearest: null, byTokens }
}

/** Null for what is billed by picture for certain. */
function tokensOf(
  account: Pick<Account, 'keyState'>,
  { size, quality, n, references }: Priced,
  { previews, byTokens }: EditTerms,
): Estimate['byTokens'] {
  if (references.length === 0 || previews === 0 || byTokens === false) return null
  const usd = editTokenCost({ size, quality, n, references: references.length, previews })
  return { usd: usd * (account.keyState?.rate ?? 1), isSeen: byTokens === true }
}
