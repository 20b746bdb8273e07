import { editPreviews } from '../account/edit-previews.ts'
import type { Account } from '../account/queries.ts'
import type { Deps } from '../deps.ts'
import { findEditBilling } from './edit-queries.ts'

/** On what terms an edit would be made with the chosen key. */
export interface EditTerms {
  /** That come with it; 0: it is not streamed, and billed by picture. */
  previews: number
  /** How the last one with previews was billed; null: this key has not shown it yet. */
  byTokens: boolean | null
}

export async function editTerms(deps: Pick<Deps, 'db' | 'config'>, account: Account | null): Promise<EditTerms> {
  const previews = editPreviews(deps.config, account)
  if (previews === 0 || !account?.keyId) return { previews, byTokens: null }
  return { previews, byTokens: await findEditBilling(deps.db, account.userId, account.keyId) }
}
