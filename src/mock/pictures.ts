import { createHash } from 'node:crypto'
import sharp, { type OverlayOptions, type Sharp } from 'sharp'
import { caption } from './caption.ts'
import { paintScene } from './scene.ts'
import type { Settings } from './settings.ts'

interface PictureSpec {
  prompt: string
  /** Two pictures of one prompt differ by this. */
  variation: number
  width: number
  height: number
  format: 'png' | 'jpeg' | 'webp'
  /** 0 to 100, for jpeg and webp. */
  quality: number
  transparent: boolean
  /** How far along a preview is, 0 to 1; 1 is the finished picture. */
  progress: number
  /** What is to be edited; empty for a new picture. */
  inputs: Buffer[]
  /** Transparent where the edit may change something. */
  mask: Buffer | null
  mode: Settings['pictures']
}

export interface Picture {
  bytes: Buffer
  /** The same in base64, as ASCII bytes. */
  base64: Buffer
  width: number
  height: number
}

const cacheLimit = 200 * 1024 * 1024
/** Least recently used first. */
const cache = new Map<string, { drawing: Promise<Picture>; weight: number }>()

/** An encoded picture; drawn once and then kept for a while. Rejects when an input cannot be read. */
export function drawPicture(spec: PictureSpec): Promise<Picture> {
  const name = nameOf(spec)
  const entry = cache.get(name) ?? { drawing: draw(spec), weight: 0 }
  const isNew = !cache.delete(name)
  cache.set(name, entry)
  if (isNew) {
    entry.drawing.then(
      ({ bytes, base64 }) => {
        entry.weight = bytes.length + base64.length
        trim()
      },
      () => cache.delete(name),
    )
  }
  return entry.drawing
}

/** Bytes as a picture of this size, whatever they are. */
export function asPicture(bytes: Buffer, width: number, height: number): Picture {
  return { bytes, base64: Buffer.from(bytes.toString('base64'), 'latin1'), width, height }
}

async function draw(spec: PictureSpec): Promise<Picture> {
  const { width, height } = spec.mode === 'fixed' ? { width: 1024, height: 1024 } : spec
  const fine = spec.mode !== 'plain'
  let image = spec.inputs[0] ? await edited(spec, width, height) : await painted(spec, width, height)
  if (spec.progress < 1) {
    // Each preview is sharper than the one before it.
    const edge = Math.round(24 * 8 ** spec.progress)
    const small = await image.resize(edge, edge, { fit: 'inside' }).png().toBuffer()
    image = sharp(small).resize(width, height, { fit: 'fill', kernel: fine ? 'cubic' : 'nearest' })
    if (fine) image = image.blur(4)
  } else {
    const layers: OverlayOptions[] = []
    if (fine)
      layers.push({ input: await grain(width, height), blend: 'soft-light', raw: { width, height, channels: 3 } })
    const margin = Math.round(Math.min(width, height) * 0.035)
    const words = await caption(spec.prompt, width - margin * 2)
    const box = await sharp(words).metadata()
    // An edit is signed at the top: the picture it was made from has its own words at the bottom.
    const top = spec.inputs[0] ? margin : height - box.height - margin
    if (box.width < width && box.height < height) layers.push({ input: words, left: margin, top })
    image = sharp(await image.composite(layers).removeAlpha().raw().toBuffer(), {
      raw: { width, height, channels: 3 },
    })
  }
  if (spec.transparent) image = await cutOut(image, width, height)
  const bytes = await encode(image, spec, fine)
  return asPicture(bytes, width, height)
}

async function painted({ prompt, variation, progress, mode }: PictureSpec, width: number, height: number) {
  // Painting is slow and soft: large pictures are painted small and enlarged, previews and plain ones very small.
  const edge = mode === 'plain' ? 64 : progress < 1 ? 256 : 1280
  const scale = Math.min(1, edge / Math.max(width, height))
  const small = { width: Math.round(width * scale), height: Math.round(height * scale) }
  const pixels = paintScene(prompt, `${prompt}\n${variation}`, small.width, small.height)
  const image = sharp(pixels, { raw: { ...small, channels: 3 } })
  if (progress < 1) return image
  const whole = image.resize(width, height, { fit: 'fill', kernel: mode === 'plain' ? 'nearest' : 'lanczos3' })
  return sharp(await whole.raw().toBuffer(), { raw: { width, height, channels: 3 } })
}

const tints: [RegExp, string][] = [
  [/blue|蓝/i, '#4f8fe0'],
  [/red|红/i, '#e05a4a'],
  [/green|绿/i, '#5cae6a'],
  [/yellow|gold|黄|金/i, '#e6b84a'],
  [/purple|violet|紫/i, '#9a66cf'],
  [/black and white|grey|gray|黑白|灰/i, '#8a8a8a'],
]

/** The first input in another light; with a mask only where the mask is transparent. */
async function edited({ prompt, variation, inputs, mask }: PictureSpec, width: number, height: number) {
  const options = { limitInputPixels: 60e6 }
  const base = await sharp(inputs[0], options)
    .autoOrient()
    .resize(width, height, { fit: 'cover' })
    .flatten({ background: '#fff' })
    .toColourspace('srgb')
    .png({ compressionLevel: 1 })
    .toBuffer()
  const hue = 40 + (createHash('sha256').update(`${prompt}${variation}`).digest()[0] as number)
  const tint = tints.find(([word]) => word.test(prompt))?.[1]
  const changed = tint ? sharp(base).tint(tint) : sharp(base).modulate({ hue, saturation: 1.15 })
  if (!mask) return sharp(await changed.png({ compressionLevel: 1 }).toBuffer())
  const keep = await sharp(mask, options)
    .resize(width, height, { fit: 'fill' })
    .ensureAlpha()
    .extractChannel('alpha')
    .toBuffer()
  const editable = await sharp(keep).negate().blur(3).toColourspace('b-w').raw().toBuffer()
  const layer = await changed
    .joinChannel(editable, { raw: { width, height, channels: 1 } })
    .png({ compressionLevel: 1 })
    .toBuffer()
  return sharp(
    await sharp(base)
      .composite([{ input: layer }])
      .png({ compressionLevel: 1 })
      .toBuffer(),
  )
}

/** A disc of the picture on nothing. */
async function cutOut(image: Sharp, width: number, height: number) {
  const size = 256
  const disc = Buffer.alloc(size * size * 4, 255)
  for (let i = 0; i < size * size; i++) {
    const distance = Math.hypot((i % size) - size / 2 + 0.5, Math.floor(i / size) - size / 2 + 0.5)
    disc[i * 4 + 3] = Math.max(0, Math.min(255, (size * 0.46 - distance) * 64))
  }
  const mask = await sharp(disc, { raw: { width: size, height: size, channels: 4 } })
    .resize(width, height, { fit: 'fill' })
    .png()
    .toBuffer()
  const solid = await image.ensureAlpha().png({ compressionLevel: 1 }).toBuffer()
  return sharp(solid).composite([{ input: mask, blend: 'dest-in' }])
}

/** Film grain: it makes a picture weigh what a real one weighs. */
function grain(width: number, height: number) {
  return sharp({
    create: { width, height, channels: 3, background: '#808080', noise: { type: 'gaussian', mean: 128, sigma: 9 } },
  })
    .raw()
    .toBuffer()
}

function encode(image: Sharp, { format, quality, progress }: PictureSpec, fine: boolean) {
  if (format === 'jpeg')
    return image
      .flatten({ background: '#fff' })
      .jpeg({ quality: Math.max(1, quality) })
      .toBuffer()
  if (format === 'webp') return image.webp({ quality: Math.max(1, quality), effort: fine ? 3 : 0 }).toBuffer()
  return image.png({ compressionLevel: fine ? (progress === 1 ? 6 : 2) : 1 }).toBuffer()
}

function nameOf(spec: PictureSpec) {
  if (spec.mode === 'fixed') return `fixed ${spec.format} ${spec.progress < 1}`
  const files = [...spec.inputs.slice(0, 1), ...(spec.mask ? [spec.mask] : [])]
  const seen = files.map(file => createHash('sha256').update(file).digest('base64'))
  return JSON.stringify({ ...spec, inputs: seen, mask: null })
}

function trim() {
  let total = cache.values().reduce((sum, { weight }) => sum + weight, 0)
  for (const [name, { weight }] of cache) {
    if (total <= cacheLimit) return
    if (weight === 0) continue
    cache.delete(name)
    total -= weight
  }
}
