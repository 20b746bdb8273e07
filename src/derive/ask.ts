import { randomUUID } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { findDraft, upsertDraft } from '../images/draft-queries.ts'
import { readForm, withSize } from '../images/prompt.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import type { Dimensions } from '../models/sizes.ts'
import { refuseSize } from '../models/sizes.ts'

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

/** `1536x1024`: this size, or the nearest that the model makes. */
export function legalSize(model: string, { width, height }: Dimensions): string {
  const size = `${width}x${height}`
  return refuseSize(findCapability(model) ?? defaultModel, size)?.nearest ?? size
}
