import { onPixels } from './digest.ts'

/** The longest edge of a picture that fills a screen. */
export const SCREEN_EDGE = 2048

/** A WebP of at most 2048 × 2048 px, upright, without metadata: a tenth of the bytes of a PNG, and the same to the eye. */
export function drawScreen(bytes: Uint8Array): Promise<Buffer> {
  return onPixels((sharp, decoding) =>
    sharp(bytes, { ...decoding, failOn: 'none' })
      .autoOrient()
      .resize(SCREEN_EDGE, SCREEN_EDGE, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 84, effort: 1 })
      .toBuffer(),
  )
}
