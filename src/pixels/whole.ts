import type { SharpOptions } from 'sharp'
import type { Raw, SharpModule } from './exact.ts'

/** More than one picture in a file: of such none is made. */
export class Animated extends Error {
  override readonly name = 'Animated'
}

/**
 * All pixels of a picture as it is shown: upright, sRGB, with an alpha channel where it has one. What a decoder makes up for is
 * no reason to refuse. Throws `Animated`.
 */
export async function readWhole(sharp: SharpModule, decoding: SharpOptions, source: Buffer): Promise<Raw> {
  const { pages = 1, hasAlpha } = await sharp(source, decoding).metadata()
  if (pages > 1) throw new Animated()
  const upright = sharp(source, { ...decoding, failOn: 'none' })
    .autoOrient()
    .toColourspace('srgb')
  const { data, info } = await (hasAlpha ? upright.ensureAlpha() : upright.removeAlpha())
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height, channels: info.channels === 4 ? 4 : 3 }
}
