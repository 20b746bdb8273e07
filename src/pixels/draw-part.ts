import { type DrawnFormat, onPixels } from './digest.ts'
import { mendPng, mendWebp } from './mend-cut.ts'

/** What came of a picture as a PNG: where it belongs, and the rest plain. Null when there is nothing to be drawn. */
export async function drawPart(received: Buffer, format: DrawnFormat): Promise<Buffer | null> {
  if (format === 'png') return drawPng(received)
  if (format === 'webp') return drawWebp(received)
  return draw(received)
}

/** The decoders of JPEG and GIF go as far as they can, and leave the rest grey or transparent. */
function draw(bytes: Buffer): Promise<Buffer | null> {
  return onPixels((sharp, decoding) =>
    sharp(bytes, { ...decoding, failOn: 'none' })
      .autoOrient()
      .toColourspace('srgb')
      .png()
      .toBuffer()
      .catch(() => null),
  )
}

async function drawPng(received: Buffer): Promise<Buffer | null> {
  const mended = await mendPng(received)
  if (!mended || mended.grid === 1) return draw(mended?.bytes ?? received)
  return coarse(mended.bytes, mended.grid)
}

/** Every pixel that is there stands for those to its right and below, which are not. */
async function coarse(bytes: Buffer, grid: number): Promise<Buffer | null> {
  const pixels = await rawOf(bytes)
  if (!pixels) return null
  const { data, width, height, channels } = pixels
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = ((y - (y % grid)) * width + x - (x % grid)) * channels
      data.copy(data, (y * width + x) * channels, from, from + channels)
    }
  }
  return toPng(pixels)
}

/** A decoder goes on over whatever stands in for the rest: what is of the picture is the same over any rest. */
async function drawWebp(received: Buffer): Promise<Buffer | null> {
  const one = await rawOf(mendWebp(received, 0))
  const other = one && (await rawOf(mendWebp(received, 0x55)))
  if (!one || !other) return null
  const line = one.width * one.channels
  let came = 0
  while (came < one.height && same(one.data, other.data, came * line, line)) came++
  if (came === 0) return null
  one.data.fill(one.channels === 4 ? 0 : 128, came * line)
  return toPng(one)
}

function same(a: Buffer, b: Buffer, start: number, length: number): boolean {
  return a.compare(b, start, start + length, start, start + length) === 0
}

interface Pixels {
  data: Buffer
  width: number
  height: number
  channels: 1 | 2 | 3 | 4
}

function rawOf(bytes: Buffer): Promise<Pixels | null> {
  return onPixels((sharp, decoding) =>
    sharp(bytes, { ...decoding, failOn: 'none' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true })
      .then(
        ({ data, info }) => ({ data, width: info.width, height: info.height, channels: info.channels }),
        () => null,
      ),
  )
}

function toPng({ data, ...raw }: Pixels): Promise<Buffer> {
  return onPixels(sharp => sharp(data, { raw }).png().toBuffer())
}
