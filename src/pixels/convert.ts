import { maxPixels, type PictureFormat, type PictureSource } from './digest.ts'

const white = { r: 255, g: 255, b: 255 }

/** A copy of a picture in another format, upright and without metadata; JPEG, which has no transparency, on white. */
export async function convert(source: PictureSource, format: PictureFormat): Promise<Buffer> {
  const { default: sharp } = await import('sharp')
  const picture = sharp(source, { limitInputPixels: maxPixels, failOn: 'none' }).autoOrient()
  if (format === 'png') return picture.png().toBuffer()
  if (format === 'webp') return picture.webp({ quality: 92 }).toBuffer()
  return picture.flatten({ background: white }).jpeg({ quality: 92, mozjpeg: false }).toBuffer()
}
