import type { Dimensions } from '../models/sizes.ts'
import type { onPixels } from './digest.ts'

export type SharpModule = Parameters<Parameters<typeof onPixels>[0]>[0]

/** Pixels in memory, 8 bits each of red, green, blue and, with four channels, alpha. */
export interface Raw extends Dimensions {
  data: Buffer
  channels: 3 | 4
}

// The largest that the models make: more comes from cameras, and would take half a minute as PNG.
const EXACT_PIXELS = 3840 * 2160

/** PNG up to 8.3 megapixels, beyond that JPEG, or WebP with an alpha channel, of high quality. */
export function encodeExactly(sharp: SharpModule, { data, width, height, channels }: Raw): Promise<Buffer> {
  const picture = sharp(data, { raw: { width, height, channels } })
  if (width * height <= EXACT_PIXELS) return picture.png().toBuffer()
  return channels === 4
    ? picture.webp({ quality: 95, effort: 2 }).toBuffer()
    : picture.jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer()
}
