import { editPreviews } from '../account/edit-previews.ts'
import { findAccount } from '../account/queries.ts'
import type { Deps } from '../deps.ts'
import { findEditBilling } from './edit-queries.ts'

/** On what terms an edit would be made. */
export interface EditTerms {
  /** That come with it; 0: it is not streamed, and billed by picture. */
  previews: number
  /** How the last one with previews was billed; null: this key has not shown it yet. */
  byTokens: boolean | null
}

const byPicture: EditTerms = { previews: 0, byTokens: null }

/** As the person whose key pays has chosen, also for what an SSH key asks; of requests without references none matter. */
export async function editTerms(
  deps: Pick<Deps, 'db' | 'config'>,
  payer: { userId: number; keyId: number | null } | null,
  requests: readonly { references: readonly string[] }[],
): Promise<EditTerms> {
  if (!payer || requests.every(({ references }) => references.length === 0)) return byPicture
  const previews = editPreviews(deps.config, await findAccount(deps.db, payer.userId))
  if (previews === 0 || !payer.keyId) return { previews, byTokens: null }
  return { previews, byTokens: await findEditBilling(deps.db, payer.userId, payer.keyId) }
}
