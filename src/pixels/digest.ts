import { open } from 'node:fs/promises'
import pLimit from 'p-limit'
import type { SharpOptions } from 'sharp'
import { copySpans, isWhole, neededSpans } from './bare.ts'

export type PictureFormat = 'png' | 'jpeg' | 'webp'
/** What can be drawn, if not shown as it is. */
export type DrawnFormat = PictureFormat | 'gif' | 'avif'

/** Width and height in pixels as shown, that is with the EXIF orientation applied. */
interface Measure {
  format: PictureFormat
  width: number
  height: number
  hasAlpha: boolean
}

export interface Digest extends Measure {
  /** The average colour of what can be seen, `#rrggbb`. */
  color: string
  /** WebP, upright, without metadata. */
  thumbnail: Buffer
}

/** `damaged`: it begins like a picture but is cut short or cannot be decoded. */
export type NotAPictureReason = 'not_an_image' | 'unsupported_format' | 'too_many_pixels' | 'damaged'

export class NotAPicture extends Error {
  override readonly name = 'NotAPicture'
  readonly reason: NotAPictureReason

  constructor(reason: NotAPictureReason, options?: { cause: unknown }) {
    super(`not a picture: ${reason}`, options)
    this.reason = reason
  }
}

export const maxPixels = 40e6
/** Longest side of a thumbnail in pixels, if nobody says otherwise. */
const usualEdge = 480
const otherFormats = ['BM', 'II*\0', 'MM\0*', '\xff\x0a', '\0\0\0\x0cJXL ']
const decoding: SharpOptions = { limitInputPixels: maxPixels, failOn: 'error' }

// One decode takes a core for 20 ms and up; two at once leave half of libuv's four threads to files and DNS.
const decoder = pLimit(2)

/** Where a picture is: in memory, or in a file by its path. */
export type PictureSource = Uint8Array | string

/** Reads the header only: a picture that is cut short later passes. Throws NotAPicture. */
export async function measure(source: PictureSource): Promise<Measure> {
  const { format, header } = await readHeader(source)
  return { format, width: header.autoOrient.width, height: header.autoOrient.height, hasAlpha: header.hasAlpha }
}

/**
 * Decodes the whole picture, once; the thumbnail is at most `edge` × `edge` px. `failOn: 'warning'` also refuses what
 * decoders make up for. Throws NotAPicture.
 */
export async function digest(
  source: PictureSource,
  { edge = usualEdge, failOn = 'error' }: { edge?: number | undefined; failOn?: 'error' | 'warning' } = {},
): Promise<Digest> {
  const measured = await measure(source)
  const sharp = await loadSharp()
  return decoder(async () => {
    const { data, info } = await sharp(source, { ...decoding, failOn })
      .autoOrient()
      .resize(edge, edge, { fit: 'inside', withoutEnlargement: true })
      .raw()
      .toBuffer({ resolveWithObject: true })
      .catch(damaged)
    const { width, height, channels } = info
    // Effort 1 takes a third of the time of the default 4; files are as large where there is much to see, a third larger
    // where there is little.
    const thumbnail = await sharp(data, { raw: { width, height, channels } })
      .webp({ quality: 80, effort: 1 })
      .toBuffer()
    return { ...measured, color: averageColor(data, channels), thumbnail }
  })
}

/** A quick WebP of at most `maxEdge` px for a picture that is still being made. Throws NotAPicture. */
export function preview(bytes: Uint8Array, maxEdge: number = usualEdge): Promise<Buffer> {
  return decoder(() => drawPreview(bytes, maxEdge))
}

/** The same of what `take` gives when its turn has come; null for null. */
export function previewOf(take: () => Uint8Array | null): Promise<Buffer | null> {
  return decoder(async () => {
    const bytes = take()
    return bytes && drawPreview(bytes, usualEdge)
  })
}

async function drawPreview(bytes: Uint8Array, maxEdge: number): Promise<Buffer> {
  await measure(bytes)
  const sharp = await loadSharp()
  return sharp(bytes, decoding)
    .autoOrient()
    .resize(maxEdge, maxEdge, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 60, effort: 0 })
    .toBuffer()
    .catch(damaged)
}

/**
 * Writes a copy without what a camera, an editor or an app put in beside the picture (place, time, author, thumbnails),
 * upright, to `target`. False, and nothing written, when there is nothing of the kind. Pixels stay as they are, unless
 * they have to be turned or it is a WebP. Throws NotAPicture.
 */
export async function writeClean(file: string, target: string): Promise<boolean> {
  const { format, header } = await readHeader(file)
  if ((header.orientation ?? 1) === 1) {
    const spans = await neededSpans(file, format)
    if (spans && (await isWhole(file, spans))) return false
    if (spans && format !== 'webp') {
      await copySpans(file, spans, target)
      return true
    }
  }
  const sharp = await loadSharp()
  await decoder(() =>
    sharp(file, decoding)
      .autoOrient()
      .keepIccProfile()
      .toFormat(format, format === 'png' ? {} : { quality: 95 })
      .toFile(target)
      .catch(damaged),
  )
  return true
}

/**
 * Other work on pixels under the same bounds: the three formats only, two at a time. `decoding` goes with every input.
 */
export async function onPixels<T>(work: (sharp: SharpModule, decoding: SharpOptions) => Promise<T>): Promise<T> {
  const sharp = await loadSharp()
  return decoder(() => work(sharp, decoding))
}

async function readHeader(source: PictureSource) {
  const format = formatOf(typeof source === 'string' ? await readHead(source) : source)
  const sharp = await loadSharp()
  const header = await sharp(source, { limitInputPixels: false }).metadata().catch(damaged)
  if (header.width * header.height > maxPixels) throw new NotAPicture('too_many_pixels')
  return { format, header }
}

async function readHead(path: string): Promise<Uint8Array> {
  await using file = await open(path)
  const head = Buffer.alloc(1024)
  const { bytesRead } = await file.read(head, 0, head.length, 0)
  return head.subarray(0, bytesRead)
}

/** What the first bytes say; null for what cannot be drawn. */
export function drawnFormatOf(bytes: Uint8Array): DrawnFormat | null {
  const head = headOf(bytes)
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return 'webp'
  if (head.startsWith('GIF8')) return 'gif'
  return /^.{4}ftyp.{0,60}avi[fs]/s.test(head) ? 'avif' : null
}

/** Throws NotAPicture for anything but PNG, JPEG and WebP. */
function formatOf(bytes: Uint8Array): PictureFormat {
  const format = drawnFormatOf(bytes)
  if (format && format !== 'gif' && format !== 'avif') return format
  const head = headOf(bytes)
  const isOther =
    format !== null ||
    otherFormats.some(start => head.startsWith(start)) ||
    head.startsWith('ftyp', 4) ||
    /<svg\b/.test(head)
  throw new NotAPicture(isOther ? 'unsupported_format' : 'not_an_image')
}

function headOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 1024)).toString('latin1')
}

// Prime, so that all columns come in, whatever the width.
const SAMPLED = 7

/** Of every seventh pixel. `pixels`: RGB or RGBA, or grey with or without alpha; transparent ones count by their opacity. */
function averageColor(pixels: Uint8Array, channels: number): string {
  const hasAlpha = channels === 2 || channels === 4
  const [greenAt, blueAt] = channels < 3 ? [0, 0] : [1, 2]
  let [red, green, blue, weight] = [0, 0, 0, 0]
  for (let at = 0; at < pixels.length; at += channels * SAMPLED) {
    const opacity = hasAlpha ? pixels[at + channels - 1]! : 1
    red += pixels[at]! * opacity
    green += pixels[at + greenAt]! * opacity
    blue += pixels[at + blueAt]! * opacity
    weight += opacity
  }
  return weight === 0 ? '#ffffff' : `#${[red, green, blue].map(sum => hex(sum / weight)).join('')}`
}

function hex(level: number): string {
  return Math.round(level).toString(16).padStart(2, '0')
}

function damaged(cause: unknown): never {
  throw new NotAPicture('damaged', { cause })
}

type SharpModule = Awaited<ReturnType<typeof load>>
let loading: ReturnType<typeof load> | null = null
const loadSharp = () => (loading ??= load())

// The last two for what a model made; of uploads the first bytes are looked at before.
const readers = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'].map(name => `VipsForeignLoad${name}`)

/** libvips takes 40 ms to load: at the first picture, not at start. */
async function load() {
  const { default: sharp } = await import('sharp')
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({ operation: readers })
  sharp.cache(false)
  sharp.concurrency(1)
  return sharp
}
