import { randomUUID } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { findDraft, upsertDraft } from '../images/draft-queries.ts'
import { readForm, withSize } from '../images/prompt.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { type Dimensions, largestLike, refuseSize } from '../models/sizes.ts'

interface Edit {
  prompt: string
  /** Tokens, the first is what is edited. */
  references: string[]
  /** Id of a mask over the first. */
  mask: string
  /** Pixels that are wanted; the nearest that the model makes are asked for. */
  size: Dimensions
}

/**
 * Puts an edit into the form of Create, where its price is shown and it is asked for like any other; what was typed there before is
 * put aside.
 */
export async function offerEdit({ db }: Pick<Deps, 'db'>, userId: number, edit: Edit): Promise<void> {
  const before = readForm(await findDraft(db, userId))
  const { prompt, references, mask, size } = edit
  const values = { ...before, prompt, references, mask, refused: [], n: '1' }
  await upsertDraft(db, userId, withSize(values, legalSize(values.model, size)), { page: randomUUID(), follows: null })
}

/** `1536x1024`: this size, or one that the model makes in its proportions: about as large, as far as that goes. */
export function legalSize(modelId: string, wanted: Dimensions): string {
  const model = findCapability(modelId) ?? defaultModel
  const { width, height } = wanted
  const refused = refuseSize(model, `${width}x${height}`)
  if (!refused) return `${width}x${height}`
  const limits = model.freeSize
  const grown = limits ? Math.max(1, Math.sqrt(limits.minPixels / (width * height))) : 1
  const like = limits && largestLike(limits, wanted, Math.max(width, height) * grown + limits.multipleOf)
  return like ? `${like.width}x${like.height}` : refused.nearest
}
