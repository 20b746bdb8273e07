import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { constants, crc32, createInflate, deflate } from 'node:zlib'

/** Of a file that ends too early, or is damaged in the middle, as much as came: one that a decoder reads. */
export interface Mended {
  bytes: Buffer
  /** Where the pixels come in finer and finer grids: of the last that came whole every how-manieth pixel is there; else 1. */
  grid: number
}

// Bytes of pixels, more than any model makes: of more than that no copy is made.
const mostPixelBytes = 256 * 1024 * 1024

// PNG, section 8.2: the passes of an interlaced picture, by the first column and row and the steps.
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const
const gridAfter = [0, 8, 8, 4, 4, 2, 2, 1]
/** Samples of a pixel by its type of colour: grey, RGB, palette, grey and RGB with alpha. */
const samples: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }

/**
 * PNG, sections 5 and 10: chunks of length, type, data and checksum; the pixels are one stream of zlib over all chunks `IDAT`.
 * What did not come is filled with zeros. Null for what is built otherwise.
 */
export async function mendPng(part: Buffer): Promise<Mended | null> {
  const before: Buffer[] = [part.subarray(0, 8)]
  const pixels: Buffer[] = []
  for (let at = 8; at + 8 < part.length; ) {
    const end = at + 12 + part.readUInt32BE(at)
    const type = part.toString('latin1', at + 4, at + 8)
    if (type === 'IDAT') pixels.push(part.subarray(at + 8, Math.min(end - 4, part.length)))
    else if (pixels.length === 0 && end <= part.length) before.push(part.subarray(at, end))
    at = end
  }
  if (before.length < 2 || pixels.length === 0) return null
  const [width, height] = [part.readUInt32BE(16), part.readUInt32BE(20)]
  const [depth = 0, color = 0, , , interlaced = 0] = part.subarray(24, 29)
  const bits = depth * (samples[color] ?? 0)
  const bytesOf = (columns: number, rows: number) =>
    columns > 0 && rows > 0 ? rows * (1 + Math.ceil((columns * bits) / 8)) : 0
  const lengths = interlaced
    ? passes.map(([x, y, dx, dy]) => bytesOf(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)))
    : [bytesOf(width, height)]
  const total = lengths.reduce((sum, length) => sum + length, 0)
  if (total > mostPixelBytes) return null
  const came = await inflateWhatCame(pixels, total)
  let done = 0
  for (let length = lengths[0]!; length <= came.length && done < lengths.length; length += lengths[done] ?? 0) done++
  const grid = interlaced ? gridAfter[done] : 1
  if (!grid || came.length === 0) return null
  const packed = await promisify(deflate)(Buffer.concat([came], total), { level: 1 })
  return { bytes: Buffer.concat([...before, chunk('IDAT', packed), chunk('IEND', Buffer.alloc(0))]), grid }
}

/** As far as the stream can be read, and no further than `limit` bytes. */
async function inflateWhatCame(pieces: readonly Buffer[], limit: number): Promise<Buffer> {
  const came: Buffer[] = []
  let length = 0
  try {
    for await (const bytes of Readable.from(pieces).pipe(createInflate({ finishFlush: constants.Z_SYNC_FLUSH }))) {
      came.push(bytes as Buffer)
      length += (bytes as Buffer).length
      if (length > limit) break
    }
  } catch {
    // Damaged from here on.
  }
  return Buffer.concat(came).subarray(0, limit)
}

function chunk(type: string, data: Buffer): Buffer {
  const typeAndData = Buffer.concat([Buffer.from(type), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(typeAndData))
  return Buffer.concat([length, typeAndData, checksum])
}

const longestWebp = 64 * 1024 * 1024

/**
 * RFC 9649, section 2.3: RIFF, chunks of type, length and data. Read as pixels, nothing may take more bytes than something: the
 * chunk that was cut gets twice its length, of whatever `fill` makes of it.
 */
export function mendWebp(part: Buffer, fill: number): Buffer {
  for (let at = 12; at + 8 < part.length; ) {
    const length = part.readUInt32LE(at + 4)
    const end = at + 8 + length + (length % 2)
    if (end > part.length) {
      const filled = Buffer.concat([part, Buffer.alloc(Math.min(end + length, longestWebp) - part.length, fill)])
      filled.writeUInt32LE(filled.length - 8, 4)
      filled.writeUInt32LE(filled.length - at - 8, at + 4)
      return filled
    }
    at = end
  }
  return part
}
