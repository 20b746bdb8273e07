import type { Deps } from '../deps.ts'
import type { StoredFile } from '../library/file-queries.ts'
import { refuseWhenFull } from '../library/storage-limit.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { type Dimensions, dimensionsOf, refuseSize } from '../models/sizes.ts'
import { cleanMask, isSameShape, maskAround, type Rectangle, rectangleMask } from '../pixels/mask.ts'
import type { Upload } from '../web/uploads.ts'
import { type Sentence, say } from '../web/words.ts'
import { findMask, insertMask } from './mask-queries.ts'
import { type FormValues, readWholeNumber, sizeOf, withSize } from './prompt.ts'

/** A mask as it comes: a PNG file, or a rectangle by numbers, as typed. */
interface MaskInput {
  upload: Upload | null
  x: string
  y: string
  width: string
  height: string
  /** Id of a mask whose painted area stays. */
  base: string
}

export const maskLimits = { files: 1, bytes: 8 * 1024 * 1024 }

/** Keeps a mask over `reference`; its id, or what is wrong with it. Throws `Refusal` 409 where there is no room. */
export async function keepMask(
  deps: Pick<Deps, 'db' | 'config'>,
  reference: StoredFile,
  input: MaskInput,
): Promise<{ id: string } | { fault: Sentence }> {
  const { userId, width, height } = reference
  await refuseWhenFull(deps, userId)
  const wrong = (why: 'not_png' | 'size' | 'opaque' | 'empty' | 'rectangle' | 'too_large') => ({
    fault: say(`images.mask.fault.${why}`, { size: why === 'too_large' ? '8 MiB' : `${width} × ${height}` }),
  })

  const base = input.base ? await findMask(deps.db, userId, input.base) : null
  const fits = base && base.width === width && base.height === height
  if (input.upload) {
    if (!input.upload.file) return wrong('too_large')
    const bytes = await cleanMask(input.upload.file, { width, height })
    if (typeof bytes === 'string') return wrong(bytes)
    return { id: await insertMask(deps.db, userId, { width, height, bytes }) }
  }
  const area = readArea(input, reference)
  if (!area) return wrong('rectangle')
  const bytes = await rectangleMask({ width, height }, area, fits ? base.bytes : null)
  return { id: await insertMask(deps.db, userId, { width, height, bytes }) }
}

/** Keeps a mask over a picture of this size by which all may change but `kept`; its id. Throws `Refusal` 409 where there is no room. */
export async function keepMaskAround(
  deps: Pick<Deps, 'db' | 'config'>,
  userId: number,
  size: Dimensions,
  kept: Rectangle,
): Promise<string> {
  await refuseWhenFull(deps, userId)
  return insertMask(deps.db, userId, { ...size, bytes: await maskAround(size, kept) })
}

/**
 * The form with a size of the picture's proportions, where the chosen one has others: one that is offered, or one as
 * large as the chosen. A result of another shape cannot be laid over the original.
 */
export function inShapeOf(picture: Dimensions, values: FormValues): FormValues {
  const size = dimensionsOf(sizeOf(values))
  if (!size || isSameShape(size, picture)) return values
  const model = findCapability(values.model) ?? defaultModel
  const scale = Math.sqrt((size.width * size.height) / (picture.width * picture.height))
  const own = `${Math.round(picture.width * scale)}x${Math.round(picture.height * scale)}`
  const sizes = [...model.sizes.flatMap(group => group.sizes), refuseSize(model, own)?.nearest ?? own]
  const alike = sizes.find(each => {
    const dimensions = dimensionsOf(each)
    return dimensions !== null && isSameShape(dimensions, picture)
  })
  return alike ? withSize(values, alike) : values
}

/** Null unless it lies within the picture. */
function readArea(input: MaskInput, size: { width: number; height: number }): Rectangle | null {
  const [x, y, width, height] = [input.x, input.y, input.width, input.height].map(text => readWholeNumber(text.trim()))
  if (x == null || y == null || !width || !height) return null
  return x + width <= size.width && y + height <= size.height ? { x, y, width, height } : null
}
