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

for (const [what, write] of [
  ['PNG', (picture: Sharp) => picture.png()],
  ['PNG with a palette', (picture: Sharp) => picture.png({ palette: true })],
  ['JPEG', (picture: Sharp) => picture.jpeg()],
  ['WebP', (picture: Sharp) => picture.webp({ quality: 90 })],
  ['WebP with transparency', (picture: Sharp) => picture.ensureAlpha(0.5).webp({ quality: 90 })],
] as const) {
  test(`below the part that came of a ${what} all is plain, and nothing of it is shown twice`, async () => {
    const whole = await write(noise()).toBuffer()
    const kept = await salvage(half(whole))
    assert.equal(kept.condition, 'incomplete')
    const [before, after] = await Promise.all([rows(whole), rows(kept.bytes)])
    assert.ok(
      before.slice(0, 150).every((row, y) => row.equals(after[y]!)),
      'the upper part is the same',
    )
    const last = after.slice(-120)
    assert.ok(last.every(row => row.equals(last[0]!) && row.every((value, at) => value === row[at % 4])))
  })
}

test('half of an interlaced PNG shows all of the picture, as sharp as it came', async () => {
  const whole = await striped().png({ progressive: true }).toBuffer()
  for (const part of [0.1, 0.5, 0.95]) {
    const kept = await salvage(whole.subarray(0, whole.length * part))
    assert.equal(kept.condition, 'incomplete')
    const [before, after] = await Promise.all([rows(whole), rows(kept.bytes)])
    for (let y = 0; y < 480; y += 8) {
      for (let x = 0; x < 640; x += 8) {
        assert.equal(after[y]!.readUInt32BE(x * 4), before[y]!.readUInt32BE(x * 4), `${part}: ${x}, ${y}`)
      }
    }
    assert.ok(!after[479]!.equals(Buffer.alloc(640 * 4)))
  }
})

test('of a PNG that is damaged in the middle the upper part is shown', async () => {
  const whole = await noise().png().toBuffer()
  const bytes = Buffer.from(whole)
  bytes.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 64)
  const kept = await salvage(bytes)
  assert.equal(kept.condition, 'incomplete')
  const [before, after] = await Promise.all([rows(whole), rows(kept.bytes)])
  assert.ok(before.slice(0, 150).every((row, y) => row.equals(after[y]!)))
})

/** The lines of a picture, in RGBA. */
async function rows(bytes: Buffer): Promise<Buffer[]> {
  const { data, info } = await sharp(bytes).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  return Array.from({ length: info.height }, (_, y) => data.subarray(y * info.width * 4, (y + 1) * info.width * 4))
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
