import type { Dimensions } from '../models/sizes.ts'
import { onPixels } from './digest.ts'
import { encodeExactly } from './exact.ts'
import type { Rectangle } from './mask.ts'
import { readWhole } from './whole.ts'

/** A picture, drawn as large as `at`, on a canvas of one colour (`#rrggbb`). Throws `Animated` and `NotAPicture`. */
export function placed(source: Buffer, canvas: Dimensions, at: Rectangle, color: string): Promise<Buffer> {
  return onPixels(async (sharp, decoding) => {
    const { data, width, height, channels } = await readWhole(sharp, decoding, source)
    const drawn = await sharp(data, { raw: { width, height, channels } })
      .resize(at.width, at.height, { fit: 'fill' })
      .flatten({ background: color })
      .raw()
      .toBuffer()
    const whole = await sharp({ create: { ...canvas, channels: 3, background: color } })
      .composite([{ input: drawn, raw: { width: at.width, height: at.height, channels: 3 }, left: at.x, top: at.y }])
      .removeAlpha()
      .raw()
      .toBuffer()
    return encodeExactly(sharp, { data: whole, ...canvas, channels: 3 })
  })
}
