import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import { digest, measure, NotAPicture, type NotAPictureReason, preview, previewOf } from './digest.ts'

const red = { r: 255, g: 0, b: 0, alpha: 1 }
const blue = { r: 0, g: 0, b: 255, alpha: 1 }

describe('a picture', () => {
  for (const format of ['png', 'jpeg', 'webp'] as const) {
    test(`in ${format} is measured and gets a WebP thumbnail of at most 480 px`, async () => {
      const bytes = await plain(1600, 900).toFormat(format).toBuffer()
      const before = Buffer.from(bytes)
      const { thumbnail, color, ...measured } = await digest(bytes)

      assert.deepEqual(measured, { format, width: 1600, height: 900, hasAlpha: false })
      assert.deepEqual(await measure(bytes), measured)
      assertNear(color, [200, 100, 50])
      assert.deepEqual(await shape(thumbnail), { format: 'webp', width: 480, height: 270, hasAlpha: false })
      assert.deepEqual(bytes, before, 'the original is not touched')
    })
  }

  test('smaller than a thumbnail is not enlarged', async () => {
    const { thumbnail } = await digest(await plain(20, 10).png().toBuffer())
    assert.deepEqual(await shape(thumbnail), { format: 'webp', width: 20, height: 10, hasAlpha: false })
  })

  test('keeps its transparency, and its colour is that of what can be seen', async () => {
    const bytes = await halves(600, 300, { ...red, alpha: 0 }, blue)
      .png()
      .toBuffer()
    const found = await digest(bytes)
    assert.equal(found.hasAlpha, true)
    assertNear(found.color, [0, 0, 255])
    assert.equal((await shape(found.thumbnail)).hasAlpha, true)
    assert.deepEqual([...(await pixel(found.thumbnail, 10, 10))].at(3), 0)
    assert.deepEqual([...(await pixel(found.thumbnail, 470, 10))].at(3), 255)
  })

  test('without a visible pixel has a colour too', async () => {
    const bytes = await plain(10, 10, { ...red, alpha: 0 })
      .png()
      .toBuffer()
    assert.equal((await digest(bytes)).color, '#ffffff')
  })

  test('lying on its side by EXIF is measured and shown upright, and the thumbnail carries no metadata', async () => {
    const lying = halves(600, 300, red, blue).jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    const bytes = await lying
      .withExif({ IFD0: { Copyright: 'alice' } })
      .withMetadata({ orientation: 6 })
      .toBuffer()
    const { width, height, thumbnail } = await digest(bytes)

    assert.deepEqual({ width, height }, { width: 300, height: 600 })
    const metadata = await sharp(thumbnail).metadata()
    assert.deepEqual([metadata.width, metadata.height], [240, 480])
    assert.deepEqual([metadata.exif, metadata.orientation, metadata.icc, metadata.xmp], Array(4).fill(undefined))
    assertNear(await pixel(thumbnail, 120, 20), [255, 0, 0], 16)
    assertNear(await pixel(thumbnail, 120, 460), [0, 0, 255], 16)
  })

  test('in grey, 16 bits or CMYK has a colour and a thumbnail', async () => {
    const grey = await plain(600, 300, { r: 90, g: 90, b: 90, alpha: 1 }).toColourspace('b-w').png().toBuffer()
    assertNear((await digest(grey)).color, [90, 90, 90])
    assertNear((await digest(await plain(600, 300).toColourspace('rgb16').png().toBuffer())).color, [200, 100, 50])
    assertNear((await digest(await plain(600, 300).toColourspace('cmyk').jpeg().toBuffer())).color, [200, 100, 50], 40)
  })

  test('still being made gets a preview of the size asked for', async () => {
    const bytes = await plain(1024, 1024).png().toBuffer()
    assert.deepEqual(await shape(await preview(bytes)), { format: 'webp', width: 480, height: 480, hasAlpha: false })
    assert.deepEqual(await shape(await preview(bytes, 64)), { format: 'webp', width: 64, height: 64, hasAlpha: false })
  })

  test('whose preview waits for others to be decoded gets that of what is newest then, or none', async () => {
    const [older, newer] = [await plain(900, 900).png().toBuffer(), await plain(300, 300).png().toBuffer()]
    const others = Array.from({ length: 4 }, () => preview(older))
    let newest = older
    const waiting = [previewOf(() => newest), previewOf(() => null)]
    newest = newer
    const [drawn, none] = await Promise.all(waiting)
    assert.equal((await shape(drawn!)).width, 300)
    assert.equal(none, null)
    await Promise.all(others)
  })
})

describe('what is refused', () => {
  test('text, nothing and noise are no image', async () => {
    const page = '<!doctype html><html><body><img src="a.png"></body></html>'
    for (const bytes of [page, '', '{"error":"no"}', randomBytes(5000).fill(7)]) {
      await refusedAs('not_an_image', Buffer.from(bytes))
    }
  })

  test('SVG, GIF, TIFF and AVIF are unsupported formats', async () => {
    const svg = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    await refusedAs('unsupported_format', Buffer.from(svg))
    await refusedAs('unsupported_format', Buffer.from('\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf'))
    await refusedAs('unsupported_format', Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1'))
    await refusedAs('unsupported_format', Buffer.from('II*\0\x08\0\0\0', 'latin1'))
  })

  test('a picture cut short is damaged, whatever its format', async () => {
    const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const
    const picture = sharp({ create: { width: 500, height: 500, channels: 3, background: red, noise } })
    for (const format of ['png', 'jpeg', 'webp'] as const) {
      const bytes = await picture.clone().toFormat(format).toBuffer()
      for (const kept of [0.99, 0.5]) {
        const cut = bytes.subarray(0, bytes.length * kept)
        await assert.rejects(digest(cut), isRefusal('damaged'), `${format} ${kept}`)
        await assert.rejects(preview(cut), isRefusal('damaged'), `${format} ${kept}`)
      }
      await refusedAs('damaged', bytes.subarray(0, 20))
    }
  })

  test('more than 40 million pixels are refused by the header alone', async () => {
    await refusedAs('too_many_pixels', pngHeader(15_000, 15_000))
    await refusedAs('too_many_pixels', pngHeader(8_000, 5_001))
    assert.equal((await measure(pngHeader(8_000, 5_000))).width, 8_000)
  })
})

type Colour = typeof red

function plain(width: number, height: number, background: Colour = { r: 200, g: 100, b: 50, alpha: 1 }): Sharp {
  return sharp({ create: { width, height, channels: background.alpha === 1 ? 3 : 4, background } })
}

/** The left half in one colour, the right half in another. */
function halves(width: number, height: number, left: Colour, right: Colour): Sharp {
  const half = { create: { width: width / 2, height, channels: 4 as const, background: right } }
  const whole = sharp({ create: { width, height, channels: left.alpha === 1 ? 3 : 4, background: left } })
  return whole.composite([{ input: half, left: width / 2, top: 0 }])
}

/** A PNG that announces a size and has no pixels. */
function pngHeader(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const ends = Buffer.alloc(8)
    ends.writeUInt32BE(data.length, 0)
    ends.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
  }
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0])
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', Buffer.alloc(0)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

async function shape(bytes: Buffer) {
  const { format, width, height, hasAlpha } = await sharp(bytes).metadata()
  return { format, width, height, hasAlpha }
}

const pixel = (bytes: Buffer, left: number, top: number) =>
  sharp(bytes).extract({ left, top, width: 1, height: 1 }).raw().toBuffer()

function assertNear(found: string | Uint8Array, expected: number[], tolerance = 4) {
  const channels = typeof found === 'string' ? Buffer.from(found.slice(1), 'hex') : found
  const isNear = expected.every((value, i) => Math.abs(channels[i]! - value) <= tolerance)
  assert.ok(isNear, `${[...channels].join()} is not near ${expected.join()}`)
}

async function refusedAs(reason: NotAPictureReason, bytes: Buffer) {
  await assert.rejects(measure(bytes), isRefusal(reason))
  await assert.rejects(digest(bytes), isRefusal(reason))
  await assert.rejects(preview(bytes), isRefusal(reason))
}

const isRefusal = (reason: NotAPictureReason) => (error: Error) => {
  assert.ok(error instanceof NotAPicture, String(error))
  assert.equal(error.reason, reason)
  return true
}
