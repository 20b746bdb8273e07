import { createReadStream, createWriteStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { PictureFormat } from './digest.ts'

/** Bytes of a file: from `start` to before `end`. */
interface Span {
  start: number
  end: number
}

/**
 * What of a picture's file is needed to show it, in order: not what a camera, an editor or an app put in beside the
 * picture or behind its end. Null where the file is not built as its format says.
 */
export async function neededSpans(path: string, format: PictureFormat): Promise<Span[] | null> {
  await using file = await open(path)
  return await spansOf(file, format)
}

/** Whether these bytes are built as their format says, to their end: nothing is decoded. */
export async function isComplete(bytes: Buffer, format: PictureFormat): Promise<boolean> {
  const spans = await spansOf(inMemory(bytes), format)
  return spans !== null && spans.at(-1)!.end <= bytes.length
}

async function spansOf(file: Source, format: PictureFormat): Promise<Span[] | null> {
  try {
    return await { jpeg: jpegSpans, png: pngSpans, webp: webpSpans }[format](file)
  } catch (error) {
    if (error instanceof EndOfFile) return null
    throw error
  }
}

export async function isWhole(path: string, spans: readonly Span[]): Promise<boolean> {
  const { size } = await stat(path)
  return spans.reduce((sum, { start, end }) => sum + end - start, 0) === size
}

/** Writes those bytes of `path` to `target`. */
export async function copySpans(path: string, spans: readonly Span[], target: string): Promise<void> {
  await pipeline(async function* () {
    for (const { start, end } of spans) yield* createReadStream(path, { start, end: end - 1 })
  }, createWriteStream(target))
}

class EndOfFile extends Error {}

/** Where bytes are read from: a file, or what is in memory already. */
interface Source {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ buffer: Buffer; bytesRead: number }>
}

function inMemory(bytes: Buffer): Source {
  return {
    read: async (buffer, offset, length, position) => ({
      buffer,
      bytesRead: bytes.subarray(position, position + length).copy(buffer, offset),
    }),
  }
}

async function read(file: Source, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
  if (bytesRead < length) throw new EndOfFile()
  return buffer
}

// ITU-T T.81, annex B: SOI, then segments; only after SOS come bytes that are none.
async function jpegSpans(file: Source): Promise<Span[] | null> {
  const spans: Span[] = [{ start: 0, end: 2 }]
  let at = 2
  for (;;) {
    const [prefix, marker] = await read(file, at, 2)
    if (prefix !== 0xff || marker === undefined) return null
    if (marker === 0xff) at++
    else if (marker === 0xd9) return [...spans, { start: at, end: at + 2 }]
    else {
      const end = at + 2 + (await read(file, at + 2, 2)).readUInt16BE()
      if (await isNeeded(file, marker, at)) spans.push({ start: at, end })
      at = end
      if (marker !== 0xda) continue
      at = await endOfScan(file, end)
      spans.push({ start: end, end: at })
    }
  }
}

/** Of the application's segments: what says how large and how coloured it is. JFIF, an ICC profile, Adobe's transform. */
async function isNeeded(file: Source, marker: number, at: number): Promise<boolean> {
  if (marker === 0xe2) return (await read(file, at + 4, 12)).toString('latin1') === 'ICC_PROFILE\0'
  return marker === 0xe0 || marker === 0xee || ((marker & 0xf0) !== 0xe0 && marker !== 0xfe)
}

const WINDOW = 64 * 1024

/** The next marker that is neither a stuffed byte nor a restart. */
async function endOfScan(file: Source, from: number): Promise<number> {
  const window = Buffer.alloc(WINDOW)
  for (let position = from; ; ) {
    const { bytesRead } = await file.read(window, 0, WINDOW, position)
    if (bytesRead < 2) throw new EndOfFile()
    let found = window.indexOf(0xff)
    while (found >= 0 && found < bytesRead - 1) {
      const next = window[found + 1]!
      if (next !== 0 && (next & 0xf8) !== 0xd0) return position + found
      found = window.indexOf(0xff, found + 2)
    }
    position += found === bytesRead - 1 ? bytesRead - 1 : bytesRead
  }
}

const shownInPng = new Set(['tRNS', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'cICP', 'sBIT', 'bKGD', 'pHYs'])

// PNG, section 5: chunks of length, type, data and checksum; those that must be understood begin with a capital letter.
async function pngSpans(file: Source): Promise<Span[] | null> {
  const spans: Span[] = [{ start: 0, end: 8 }]
  for (let at = 8; ; ) {
    const head = await read(file, at, 8)
    const type = head.toString('latin1', 4)
    const end = at + 12 + head.readUInt32BE()
    if (/^[A-Z]/.test(type) || shownInPng.has(type)) spans.push({ start: at, end })
    if (type === 'IEND') return spans
    at = end
  }
}

const shownInWebp = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ICCP'])

// RFC 9649: RIFF, its size, WEBP, then chunks padded to even lengths.
async function webpSpans(file: Source): Promise<Span[] | null> {
  const spans: Span[] = [{ start: 0, end: 12 }]
  const riffEnd = 8 + (await read(file, 0, 12)).readUInt32LE(4)
  for (let at = 12; at < riffEnd; ) {
    const head = await read(file, at, 8)
    const size = head.readUInt32LE(4)
    const end = at + 8 + size + (size % 2)
    if (shownInWebp.has(head.toString('latin1', 0, 4))) spans.push({ start: at, end })
    at = end
  }
  return spans
}
