import { z } from 'zod'
import { defaultModel } from '../models/image-models.ts'
import { type Dimensions, dimensionsOf } from '../models/sizes.ts'
import type { Rectangle } from '../pixels/mask.ts'
import { halfWidth } from '../web/typed.ts'
import { type Sentence, say } from '../web/words.ts'
import { legalSize } from './ask.ts'
import { ratios } from './crop.ts'
import type { ExtendForm } from './view.ts'

export const sides = ['left', 'top', 'right', 'bottom'] as const
/** Pixels that may be added on a side. */
export const MOST_ADDED = 20_000

const text = z.string().max(20).catch('')
const Form = z.object({
  left: text,
  top: text,
  right: text,
  bottom: text,
  ratio: z.enum(Object.keys(ratios) as ExtendForm['ratio'][]).catch('free'),
})

export function readExtend(body: unknown): ExtendForm {
  return Form.parse(body ?? {})
}

interface Canvas {
  /** As the model makes it: what is asked for. */
  size: Dimensions
  /** Where the picture is on it, and how large. */
  at: Rectangle
}

/** The canvas that the form asks for around a picture of this size, as large as it or, where no model makes that, smaller. */
export function canvasFor(form: ExtendForm, picture: Dimensions): Canvas | { fault: Sentence } {
  const [left, top, right, bottom] = sides.map(side => readNumber(form[side]))
  if (left == null || top == null || right == null || bottom == null) {
    return { fault: say('derive.extend.numbers', { most: MOST_ADDED }) }
  }
  const wanted = shaped({ width: picture.width + left + right, height: picture.height + top + bottom }, form.ratio)
  const [x, y] = [
    left + Math.floor((wanted.width - picture.width - left - right) / 2),
    top + Math.floor((wanted.height - picture.height - top - bottom) / 2),
  ]
  if (wanted.width === picture.width && wanted.height === picture.height) return { fault: say('derive.extend.nothing') }
  const most = defaultModel.freeSize?.maxRatio ?? 1
  const ratio = Math.max(wanted.width, wanted.height) / Math.min(wanted.width, wanted.height)
  if (ratio > most) return { fault: say('derive.extend.too_long', { most }) }
  const size = dimensionsOf(legalSize(defaultModel.id, wanted))!
  const scale = Math.min(size.width / wanted.width, size.height / wanted.height)
  const part = (length: number, all: number) => Math.max(1, Math.min(all, Math.round(length * scale)))
  const [width, height] = [part(picture.width, size.width), part(picture.height, size.height)]
  return { size, at: { ...placedAt({ x, y }, wanted, picture, size, { width, height }), width, height } }
}

/** In the same share of what is free as was asked for. */
function placedAt(
  from: { x: number; y: number },
  wanted: Dimensions,
  picture: Dimensions,
  size: Dimensions,
  drawn: Dimensions,
): { x: number; y: number } {
  const share = (place: number, free: number, drawnFree: number) =>
    free > 0 ? Math.round((place / free) * drawnFree) : Math.floor(drawnFree / 2)
  return {
    x: share(from.x, wanted.width - picture.width, size.width - drawn.width),
    y: share(from.y, wanted.height - picture.height, size.height - drawn.height),
  }
}

/** The smallest canvas of that ratio around this one; what has it already, to a pixel, stays. */
function shaped({ width, height }: Dimensions, name: ExtendForm['ratio']): Dimensions {
  const ratio = ratios[name]
  if (ratio === null || Math.abs(width - height * ratio) <= Math.max(1, ratio)) return { width, height }
  return { width: Math.max(width, Math.round(height * ratio)), height: Math.max(height, Math.round(width / ratio)) }
}

function readNumber(typed: string): number | null {
  const plain = halfWidth(typed).trim() || '0'
  return /^\d{1,5}$/.test(plain) && Number(plain) <= MOST_ADDED ? Number(plain) : null
}
