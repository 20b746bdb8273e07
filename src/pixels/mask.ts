import { setImmediate } from 'node:timers/promises'
import type { SharpOptions } from 'sharp'
import type { Dimensions } from '../models/sizes.ts'
import { onPixels, type PictureSource } from './digest.ts'
import { encodeExactly, type SharpModule } from './exact.ts'

export interface Rectangle extends Dimensions {
  x: number
  y: number
}

/** Why a file cannot be a mask. `empty`: nothing on it is painted. */
type MaskFault = 'not_png' | 'size' | 'opaque' | 'empty'

const png = { compressionLevel: 9, adaptiveFiltering: false } as const

// Safari draws nothing on a larger canvas, and says nothing about it.
const CANVAS_PIXELS = 16_777_216

/** How large the mask of a picture is painted: as the picture, or as large as every browser can draw. */
export function paintedSize({ width, height }: Dimensions): Dimensions {
  const scale = Math.min(1, Math.sqrt(CANVAS_PIXELS / (width * height)))
  return { width: Math.floor(width * scale), height: Math.floor(height * scale) }
}

/**
 * A mask as the gateway wants it: PNG of the reference's size, black, transparent where the picture may change. Only the
 * alpha of `source` counts, which has that size or the painted one.
 */
export async function cleanMask(source: PictureSource, size: Dimensions): Promise<Buffer | MaskFault> {
  return onPixels(async (sharp, decoding) => {
    const input = sharp(source, { ...decoding, failOn: 'warning' })
    const header = await input.metadata().catch(() => null)
    if (header?.format !== 'png') return 'not_png'
    const fits = ({ width, height }: Dimensions) => header.width === width && header.height === height
    if (!fits(size) && !fits(paintedSize(size))) return 'size'
    if (!header.hasAlpha) return 'opaque'
    const alpha = await input
      .extractChannel('alpha')
      .resize(size.width, size.height, { fit: 'fill', kernel: 'nearest' })
      .toColourspace('b-w')
      .raw()
      .toBuffer()
      .catch(() => null)
    if (!alpha) return 'not_png'
    if (!alpha.some(value => value < 128)) return 'empty'
    return blackWith(sharp, alpha, size)
  })
}

/** A mask that lets the rectangle change, and what `base` lets change too. */
export async function rectangleMask(size: Dimensions, area: Rectangle, base: Buffer | null): Promise<Buffer> {
  return onPixels(async (sharp, decoding) => {
    const alpha = base ? await alphaOf(sharp, decoding, base, size) : Buffer.alloc(size.width * size.height, 255)
    for (let y = area.y; y < area.y + area.height; y++) {
      alpha.fill(0, y * size.width + area.x, y * size.width + area.x + area.width)
    }
    return blackWith(sharp, alpha, size)
  })
}

/** A mask that lets everything change but the rectangle. */
export async function maskAround(size: Dimensions, kept: Rectangle): Promise<Buffer> {
  return onPixels(sharp => {
    const alpha = Buffer.alloc(size.width * size.height)
    for (let y = kept.y; y < kept.y + kept.height; y++) {
      alpha.fill(255, y * size.width + kept.x, y * size.width + kept.x + kept.width)
    }
    return blackWith(sharp, alpha, size)
  })
}

const COMPARED_EDGE = 1024
const MARGIN = 0.005
const NOISE = 16

/**
 * How much of a picture changed where its mask said that nothing should: 0 to 1, the share of the pixels outside. Null
 * when nothing is outside, or when the result has other proportions, so that the two cannot be laid over each other.
 *
 * Both are brought to the result's size, to 1024 px at the longest edge at most, and softened a little: what a model
 * always does to the grain of a picture is no change. A pixel has changed when red, green and blue differ by more than
 * 16 of 255 on average. A margin of about 1.5 % of the longest edge around the masked area counts as neither: the seam
 * belongs to the edit.
 */
export async function shareChangedOutside(original: Buffer, result: Buffer, mask: Buffer): Promise<number | null> {
  return onPixels(async (sharp, decoding) => {
    const [before, after] = await Promise.all([
      sharp(original, decoding).metadata(),
      sharp(result, decoding).metadata(),
    ])
    if (!isSameShape(before, after)) return null
    const scale = Math.min(1, COMPARED_EDGE / Math.max(after.width, after.height))
    const size = { width: Math.round(after.width * scale), height: Math.round(after.height * scale) }
    const long = Math.max(size.width, size.height)
    const colours = (picture: Buffer) =>
      sharp(picture, decoding)
        .flatten({ background: '#fff' })
        .resize(size.width, size.height, { fit: 'fill' })
        .toColourspace('srgb')
        .blur(1)
        .raw()
        .toBuffer()
    const a = await colours(original)
    const b = await colours(result)
    const near = await sharp(await alphaOf(sharp, decoding, mask, size), { raw: { ...size, channels: 1 } })
      .negate()
      .blur(Math.max(1, long * MARGIN))
      .toColourspace('b-w')
      .raw()
      .toBuffer()
    let outside = 0
    let changed = 0
    for (let at = 0; at < near.length; at++) {
      // Not 0: with some widths the blur adds a little everywhere.
      if (near[at]! > 8) continue
      outside++
      const pixel = at * 3
      const difference =
        Math.abs(a[pixel]! - b[pixel]!) +
        Math.abs(a[pixel + 1]! - b[pixel + 1]!) +
        Math.abs(a[pixel + 2]! - b[pixel + 2]!)
      if (difference > NOISE * 3) changed++
    }
    return outside === 0 ? null : changed / outside
  })
}

/**
 * The original with the masked area of the result pasted in, at the original's size: what the mask covers stays as it
 * was. The edge is feathered towards the inside. Encoded by `encodeExactly`.
 */
export async function pasteMasked(original: Buffer, result: Buffer, mask: Buffer): Promise<Buffer> {
  return onPixels(async (sharp, decoding) => {
    const { width, height, hasAlpha } = await sharp(original, decoding).metadata()
    const size = { width, height }
    const alpha = await alphaOf(sharp, decoding, mask, size)
    const soft = await sharp(alpha, { raw: { ...size, channels: 1 } })
      .negate()
      .blur(Math.max(1, Math.max(width, height) / 512))
      .toColourspace('b-w')
      .raw()
      .toBuffer()
    const edited = await sharp(result, decoding)
      .flatten({ background: '#fff' })
      .resize(width, height, { fit: 'fill' })
      .toColourspace('srgb')
      .raw()
      .toBuffer()
    const colours = sharp(original, decoding).toColourspace('srgb')
    const whole = await (hasAlpha ? colours.ensureAlpha() : colours.removeAlpha()).raw().toBuffer()
    const channels = hasAlpha ? 4 : 3
    const row = Buffer.alloc(width, 255)
    for (let y = 0; y < height; y++) {
      // Most rows of most masks have nothing painted.
      if (alpha.compare(row, 0, width, y * width, (y + 1) * width) === 0) continue
      // A large picture takes a second: others are answered in between.
      if (y % 64 === 0) await setImmediate()
      for (let at = y * width; at < (y + 1) * width; at++) {
        // Half way up is the edge of the area: from there inwards, and nothing beyond it.
        const weight = Math.min(255 - alpha[at]!, ((soft[at]! - 128) * 255) / 127) / 255
        if (weight <= 0) continue
        for (let channel = 0; channel < 3; channel++) {
          const place = at * channels + channel
          whole[place] = Math.round(whole[place]! * (1 - weight) + edited[at * 3 + channel]! * weight)
        }
        if (hasAlpha) whole[at * 4 + 3] = Math.round(whole[at * 4 + 3]! * (1 - weight) + 255 * weight)
      }
    }
    return encodeExactly(sharp, { data: whole, ...size, channels })
  })
}

/** Within 3 %. */
export function isSameShape(a: Dimensions, b: Dimensions): boolean {
  return Math.abs(Math.log((a.width / a.height / b.width) * b.height)) < 0.03
}

function alphaOf(sharp: SharpModule, decoding: SharpOptions, mask: Buffer, size: Dimensions): Promise<Buffer> {
  return sharp(mask, decoding)
    .extractChannel('alpha')
    .resize(size.width, size.height, { fit: 'fill' })
    .toColourspace('b-w')
    .raw()
    .toBuffer()
}

function blackWith(sharp: SharpModule, alpha: Buffer, { width, height }: Dimensions): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#000' } })
    .joinChannel(alpha, { raw: { width, height, channels: 1 } })
    .png(png)
    .toBuffer()
}
