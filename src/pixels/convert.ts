import { onPixels, type PictureFormat, type PictureSource } from './digest.ts'

const white = { r: 255, g: 255, b: 255 }

/** A copy of a picture in another format, upright and without metadata; JPEG, which has no transparency, on white. */
export function convert(source: PictureSource, format: PictureFormat): Promise<Buffer> {
  return onPixels((sharp, decoding) => {
    const picture = sharp(source, { ...decoding, failOn: 'none' }).autoOrient()
    if (format === 'png') return picture.png().toBuffer()
    if (format === 'webp') return picture.webp({ quality: 92 }).toBuffer()
    return picture.flatten({ background: white }).jpeg({ quality: 92, mozjpeg: false }).toBuffer()
  })
}
