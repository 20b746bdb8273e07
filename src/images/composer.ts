import { randomUUID } from 'node:crypto'
import { noStore, obstacleTo } from '../account/obstacle.ts'
import type { Reader } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { refusedFile, viewRefused } from '../library/refused.ts'
import { capabilities, defaultModel, findCapability } from '../models/image-models.ts'
import { adviceFor } from './advice.ts'
import { draftField } from './draft.ts'
import { editTerms } from './edit-terms.ts'
import { viewMask, viewReferences } from './job-view.ts'
import { findMask } from './mask-queries.ts'
import type { FieldErrors, FormValues } from './prompt.ts'
import { quote } from './quote.ts'
import type { Doubt } from './terms.ts'
import { usualOfForm } from './usual.ts'
import type { ComposerView } from './view.ts'

/** The prompt form around these values; a new submission key unless the form is the same one, sent back. */
export async function composer(
  deps: Pick<Deps, 'db' | 'storage' | 'config'>,
  { userId, account, t }: Reader,
  values: FormValues,
  back: {
    errors?: FieldErrors
    submission?: string
    told?: readonly Doubt['why'][]
    draft?: string | undefined
    /** A mask has just changed its size. */
    shaped?: boolean
  } = {},
): Promise<ComposerView> {
  const references = await viewReferences(deps.db, userId, values.references)
  const isGone = references.length < values.references.length
  const refused = isGone ? [...values.refused, refusedFile('gone', '')] : values.refused
  const { maxReferences } = findCapability(values.model) ?? defaultModel
  const mask = values.mask && references.length > 0 ? await findMask(deps.db, userId, values.mask) : null
  const [edit, usual] = await Promise.all([
    editTerms(deps, account, [values]),
    usualOfForm(deps.db, userId, account?.keyId ?? null, values),
  ])
  return {
    values: { ...values, references: references.map(({ token }) => token), refused, mask: mask?.id ?? '' },
    references,
    refused: viewRefused(t, refused, maxReferences),
    mask: mask && viewMask(mask),
    errors: back.errors ?? {},
    followsPicture: mask !== null && (back.shaped ?? false),
    models: [...capabilities],
    quote: quote(account, values, edit, { ...back, usual }),
    advice: adviceFor(account, values, edit),
    submission: back.submission ?? randomUUID(),
    draft: back.draft ?? draftField(null),
    keys: keysOf(account),
    why: account?.keyWhy ?? null,
    obstacle: deps.storage.isProven() ? obstacleTo(account, 'pictures') : noStore,
  }
}

function keysOf(account: Reader['account']): ComposerView['keys'] {
  const others = account?.otherKeys.filter(key => key.allowsImages) ?? []
  if (!account?.keyId || others.length === 0) return []
  return [{ id: account.keyId, name: account.keyName ?? '', group: account.keyGroup }, ...others]
}
