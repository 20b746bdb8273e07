import { onPixels } from './digest.ts'

/** A JPEG of at most `edge` px, upright, on white, without metadata: what readers of links understand everywhere. */
export function drawCard(bytes: Uint8Array, edge: number): Promise<Buffer> {
  return onPixels((sharp, decoding) =>
    sharp(bytes, decoding)
      .autoOrient()
      .resize(edge, edge, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#fff' })
      .jpeg({ quality: 82, progressive: true })
      .toBuffer(),
  )
}
