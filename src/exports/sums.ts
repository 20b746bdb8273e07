import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** What a ZIP and its manifest have to know of the bytes of a file. */
export interface Sums {
  crc32: number
  sha256: Buffer
  bytes: number
}

export function sumsOfBytes(bytes: Buffer): Sums {
  return { crc32: crc32(bytes), sha256: createHash('sha256').update(bytes).digest(), bytes: bytes.length }
}

export async function sumsOfStream(stream: AsyncIterable<Buffer>): Promise<Sums> {
  const hash = createHash('sha256')
  let sum = 0
  let bytes = 0
  for await (const chunk of stream) {
    sum = crc32(chunk, sum)
    hash.update(chunk)
    bytes += chunk.length
  }
  return { crc32: sum, sha256: hash.digest(), bytes }
}
