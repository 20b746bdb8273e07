import { crc32 } from 'node:zlib'
import type { DrawnFormat } from './thumbnails.ts'

// What a decoder would not read at all, because the file is shorter than it says, is given an end: below the part that came it may
// show anything.

/** The first part of a file, as one that can be decoded that far. */
export function mendCut(part: Buffer, format: DrawnFormat): Buffer {
  if (format === 'png') return mendPng(part)
  if (format === 'webp') return mendWebp(part)
  return part
}

/** PNG, section 5: chunks of length, type, data and checksum. The pixels may be one chunk, which is made as short as it is. */
function mendPng(part: Buffer): Buffer {
  for (let at = 8; at + 8 < part.length; ) {
    const end = at + 12 + part.readUInt32BE(at)
    if (end > part.length) return Buffer.concat([part.subarray(0, at), chunk(part.subarray(at + 4)), emptyEnd])
    at = end
  }
  return part
}

function chunk(typeAndData: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(typeAndData.length - 4)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(typeAndData))
  return Buffer.concat([length, typeAndData, checksum])
}

const emptyEnd = chunk(Buffer.from('IEND'))

const longestWebp = 64 * 1024 * 1024

/**
 * RFC 9649, section 2.3: RIFF, chunks of type, length and data. Read as pixels, nothing may take more bytes than something: the
 * chunk that was cut gets twice its length.
 */
function mendWebp(part: Buffer): Buffer {
  for (let at = 12; at + 8 < part.length; ) {
    const length = part.readUInt32LE(at + 4)
    const end = at + 8 + length + (length % 2)
    if (end > part.length) {
      const filled = Buffer.concat([part, Buffer.alloc(Math.min(end + length, longestWebp) - part.length)])
      filled.writeUInt32LE(filled.length - 8, 4)
      filled.writeUInt32LE(filled.length - at - 8, at + 4)
      return filled
    }
    at = end
  }
  return part
}
