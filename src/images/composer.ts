import { randomUUID } from 'node:crypto'
import type { Response } from 'express'
import { noStore, obstacleTo } from '../account/obstacle.ts'
import { accountOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { capabilities } from './capabilities.ts'
import { editTerms } from './edit-terms.ts'
import { viewMask, viewReferences } from './job-view.ts'
import type { FieldErrors, FormValues } from './prompt.ts'
import { findMask } from './queries.ts'
import { quote } from './quote.ts'
import type { Doubt } from './terms.ts'
import type { ComposerView } from './view.ts'

/** The prompt form around these values; a new submission key unless the form is the same one, sent back. */
export async function composer(
  deps: Pick<Deps, 'db' | 'storage' | 'config'>,
  res: Response,
  values: FormValues,
  back: { errors?: FieldErrors; submission?: string; told?: readonly Doubt['why'][] } = {},
): Promise<ComposerView> {
  const account = accountOf(res)
  const { userId } = signedIn(res)
  const references = await viewReferences(deps.db, userId, values.references)
  const mask = values.mask && references.length > 0 ? await findMask(deps.db, userId, values.mask) : null
  return {
    values: { ...values, references: references.map(({ token }) => token), mask: mask?.id ?? '' },
    references,
    mask: mask && viewMask(mask),
    errors: back.errors ?? {},
    models: [...capabilities],
    quote: quote(account, values, { ...back, edit: await editTerms(deps, account) }),
    submission: back.submission ?? randomUUID(),
    obstacle: deps.storage.isProven() ? obstacleTo(account, 'pictures') : noStore,
  }
}
