import { appendFile, copyFile } from 'node:fs/promises'
import { neededSpans } from './bare.ts'
import {
  type Digest,
  type DrawnFormat,
  digest,
  drawnFormatOf,
  NotAPicture,
  type NotAPictureReason,
  onPixels,
  type PictureFormat,
} from './digest.ts'
import { drawPart } from './draw-part.ts'

/** `bin`: bytes that nothing here can show. */
export type KeptFormat = PictureFormat | 'bin'

/** What is kept of a picture that was paid for. */
export interface Salvaged {
  /** `incomplete`: the rest never came, or cannot be read. `undecodable`: the bytes are kept as they came, for somebody else to open. */
  condition: 'whole' | 'incomplete' | 'undecodable'
  bytes: Buffer
  /** Of `undecodable` bytes a grey square. */
  digest: Omit<Digest, 'format'> & { format: KeptFormat }
  /** What came, where `bytes` is a copy made of it. */
  original: { bytes: Buffer; format: DrawnFormat } | null
  /** What is wrong with `undecodable` bytes, for the details of a job. */
  detail: NotAPictureReason | ''
}

/**
 * Takes a picture as its maker delivered it, and never refuses it: PNG, JPEG and WebP stay as they are, a JPEG gets back the end
 * that it lacks, and of everything else that can be drawn, if only in part, a PNG copy is made. `edge`: see `digest`.
 */
export async function salvage(received: Buffer, edge?: number): Promise<Salvaged> {
  try {
    const facts = await digest(received, { edge })
    const bytes = lacksEnd(received) ? withEnd(received) : received
    return { condition: 'whole', bytes, digest: facts, original: null, detail: '' }
  } catch (error) {
    if (!(error instanceof NotAPicture)) throw error
    const { reason } = error
    return (
      (await endedJpeg(received, edge)) ?? (await copy(received, reason, edge)) ?? (await undecodable(received, reason))
    )
  }
}

/** The end marker of a JPEG (ITU-T T.81, B.1.1.3): viewers do without it, decoders do not. */
const endOfJpeg = Buffer.from([0xff, 0xd9])

function withEnd(jpeg: Buffer): Buffer {
  return Buffer.concat([jpeg, endOfJpeg])
}

/** A decoder that has all it needs does not miss the marker, which is nowhere in the pixels (B.1.1.5). */
function lacksEnd(received: Buffer): boolean {
  return drawnFormatOf(received) === 'jpeg' && !received.subarray(-64 * 1024).includes(endOfJpeg)
}

async function endedJpeg(received: Buffer, edge: number | undefined): Promise<Salvaged | null> {
  if (drawnFormatOf(received) !== 'jpeg') return null
  const bytes = withEnd(received)
  // A scan that stops half-way would pass with a warning.
  const facts = await digest(bytes, { edge, failOn: 'warning' }).catch(nullIfNone)
  return facts && { condition: 'whole', bytes, digest: facts, original: null, detail: '' }
}

/** A JPEG file that lacks its end marker alone is completed as `target`; answers the path of what there is to go on with. */
export async function endJpegFile(file: string, target: string): Promise<string> {
  if (await neededSpans(file, 'jpeg')) return file
  await copyFile(file, target)
  await appendFile(target, endOfJpeg)
  return (await digest(target, { failOn: 'warning' }).catch(nullIfNone)) ? target : file
}

async function copy(received: Buffer, reason: NotAPictureReason, edge: number | undefined): Promise<Salvaged | null> {
  const format = drawnFormatOf(received)
  if (!format || reason === 'too_many_pixels') return null
  const whole = reason === 'unsupported_format' ? await toPng(received) : null
  const bytes = whole ?? (await drawPart(received, format))
  const facts = bytes && (await digest(bytes, { edge }).catch(nullIfNone))
  const condition = whole ? 'whole' : 'incomplete'
  return bytes && facts && { condition, bytes, digest: facts, original: { bytes: received, format }, detail: '' }
}

/** Null when there is nothing to be drawn. Of a GIF the first picture. */
function toPng(bytes: Buffer): Promise<Buffer | null> {
  return onPixels((sharp, decoding) =>
    sharp(bytes, { ...decoding, failOn: 'error' })
      .autoOrient()
      .toColourspace('srgb')
      .png()
      .toBuffer()
      .catch(() => null),
  )
}

async function undecodable(received: Buffer, detail: NotAPictureReason): Promise<Salvaged> {
  const side = 240
  const color = '#8a8a8a'
  const thumbnail = await onPixels(sharp =>
    sharp({ create: { width: side, height: side, channels: 3, background: color } })
      .webp()
      .toBuffer(),
  )
  const facts = { format: 'bin' as const, width: side, height: side, hasAlpha: false, color, thumbnail }
  return { condition: 'undecodable', bytes: received, digest: facts, original: null, detail }
}

function nullIfNone(error: unknown): null {
  if (error instanceof NotAPicture) return null
  throw error
}
