import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp, { type Sharp } from 'sharp'
import { salvage } from './salvage.ts'

const half = (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)

for (const [what, write] of [
  ['PNG', (picture: Sharp) => picture.png()],
  ['JPEG', (picture: Sharp) => picture.jpeg()],
  ['WebP', (picture: Sharp) => picture.webp()],
] as const) {
  test(`a whole ${what} stays as it is`, async () => {
    const bytes = await write(noise()).toBuffer()
    const kept = await salvage(bytes)
    assert.deepEqual([kept.condition, kept.original, kept.detail], ['whole', null, ''])
    assert.ok(kept.bytes.equals(bytes))
  })
}

for (const [what, write] of [
  ['PNG', (picture: Sharp) => picture.png()],
  ['JPEG', (picture: Sharp) => picture.jpeg()],
  ['progressive JPEG', (picture: Sharp) => picture.jpeg({ progressive: true })],
  ['WebP', (picture: Sharp) => picture.webp({ quality: 90 })],
  ['GIF', (picture: Sharp) => picture.gif()],
] as const) {
  test(`of half a ${what} the part that came is shown, and kept as it came`, async () => {
    const bytes = half(await write(striped()).toBuffer())
    const kept = await salvage(bytes)
    assert.deepEqual([kept.condition, kept.digest.width, kept.digest.height], ['incomplete', 640, 480])
    assert.ok(kept.original?.bytes.equals(bytes))
    const [red, green, blue] = await sharp(kept.bytes)
      .extract({ left: 8, top: 8, width: 1, height: 1 })
      .removeAlpha()
      .raw()
      .toBuffer()
    const near = Math.abs(red! - 200) + Math.abs(green! - 60) + Math.abs(blue! - 40)
    assert.ok(near < 90, `the upper left is ${red}, ${green}, ${blue}`)
  })
}

test('a JPEG that lacks its end alone is whole with it', async () => {
  for (const progressive of [false, true]) {
    const bytes = await noise().jpeg({ progressive }).toBuffer()
    const kept = await salvage(bytes.subarray(0, -2))
    assert.deepEqual([kept.condition, kept.original], ['whole', null])
    assert.ok(kept.bytes.equals(bytes))
    assert.equal((await salvage(bytes.subarray(0, -200))).condition, 'incomplete')
  }
})

for (const format of ['gif', 'avif'] as const) {
  test(`of a ${format} a PNG copy is shown`, async () => {
    const bytes = await striped().toFormat(format).toBuffer()
    const kept = await salvage(bytes)
    assert.deepEqual([kept.condition, kept.digest.format, kept.original?.format], ['whole', 'png', format])
    assert.ok(kept.original!.bytes.equals(bytes))
  })
}

test('what nothing here can open is kept as it came', async () => {
  const avif = half(await noise().avif({ effort: 0 }).toBuffer())
  const png = (await noise().png().toBuffer()).subarray(0, 30)
  const webp = (await noise().webp({ lossless: true }).toBuffer()).subarray(0, 60)
  for (const bytes of [Buffer.from('<svg/>'), Buffer.from('no picture'), avif, png, webp]) {
    const kept = await salvage(bytes)
    assert.deepEqual([kept.condition, kept.digest.format], ['undecodable', 'bin'])
    assert.ok(kept.original === null)
    assert.ok(kept.bytes.equals(bytes))
    assert.equal((await sharp(kept.digest.thumbnail).metadata()).format, 'webp')
  }
})

function noise(): Sharp {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 }
  return sharp({ create: { width: 640, height: 480, channels: 3, background: '#808080', noise } })
}

/** Its upper half is plain, so that half a file shows at least that. */
function striped(): Sharp {
  const width = 640
  const pixels = Buffer.alloc(width * 480 * 3)
  for (let at = 0; at < width * 480; at++) {
    const isPlain = at < width * 120
    const value = (at * 7919) % 251
    pixels.set(isPlain ? [200, 60, 40] : [value, (value * 3) % 251, (value * 5) % 251], at * 3)
  }
  return sharp(pixels, { raw: { width, height: 480, channels: 3 } })
}
