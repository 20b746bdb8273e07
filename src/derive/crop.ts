import { z } from 'zod'
import type { Derived } from '../library/derived.ts'
import type { Dimensions } from '../models/sizes.ts'
import type { Rectangle } from '../pixels/mask.ts'
import { halfWidth } from '../web/typed.ts'
import { type Sentence, say } from '../web/words.ts'
import type { CropForm } from './view.ts'

type Crop = Extract<Derived, { did: 'crop' }>

/** Width to height; `free`: as the numbers say. */
export const ratios: Record<CropForm['ratio'], number | null> = {
  free: null,
  '1:1': 1,
  '4:3': 4 / 3,
  '3:4': 3 / 4,
  '3:2': 3 / 2,
  '2:3': 2 / 3,
  '16:9': 16 / 9,
  '9:16': 9 / 16,
}

const text = z.string().max(20).catch('')
const Form = z.object({
  x: text,
  y: text,
  width: text,
  height: text,
  ratio: z.enum(Object.keys(ratios) as CropForm['ratio'][]).catch('free'),
  turn: z.enum(['0', '90', '180', '270']).catch('0'),
  mirror: z
    .literal('on')
    .optional()
    .catch(undefined)
    .transform(value => value !== undefined),
})

export function readCrop(body: unknown): CropForm {
  return Form.parse(body ?? {})
}

/** All of the picture, as it is. */
export function wholeOf({ width, height }: Dimensions): CropForm {
  return { ...readCrop({}), x: '0', y: '0', width: String(width), height: String(height) }
}

/** What the form asks for of a picture of this size, or what is wrong with it. */
export function cropOf(form: CropForm, size: Dimensions): Crop | { fault: Sentence } {
  const typed = areaIn(form, size)
  if (!typed) return { fault: say('derive.crop.outside', { width: size.width, height: size.height }) }
  const area = shaped(typed, form.ratio)
  const isWhole = area.width === size.width && area.height === size.height
  if (isWhole && form.turn === '0' && !form.mirror) return { fault: say('derive.crop.nothing') }
  return { did: 'crop', ...area, turn: Number(form.turn) as Crop['turn'], mirror: form.mirror }
}

/** Null unless it lies within the picture. */
function areaIn(form: CropForm, size: Dimensions): Rectangle | null {
  const [x, y, width, height] = [form.x, form.y, form.width, form.height].map(readNumber)
  if (x == null || y == null || !width || !height) return null
  return x + width <= size.width && y + height <= size.height ? { x, y, width, height } : null
}

function readNumber(typed: string): number | null {
  const plain = halfWidth(typed).trim()
  return /^\d{1,6}$/.test(plain) ? Number(plain) : null
}

/** Of the area the largest part of that ratio, from its middle; what has it already, to a pixel, stays. */
function shaped(area: Rectangle, name: CropForm['ratio']): Rectangle {
  const ratio = ratios[name]
  if (ratio === null || Math.abs(area.width - area.height * ratio) <= 1) return area
  const width = Math.max(1, Math.min(area.width, Math.round(area.height * ratio)))
  const height = Math.max(1, Math.min(area.height, Math.round(width / ratio)))
  const middle = (from: number, all: number, part: number) => from + Math.floor((all - part) / 2)
  return { x: middle(area.x, area.width, width), y: middle(area.y, area.height, height), width, height }
}
