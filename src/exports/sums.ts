import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** What a ZIP and its manifest have to know of the bytes of a file. */
export interface Sums {
  crc32: number
  sha256: Buffer
  bytes: number
}

export function sumsOfBytes(bytes: Buffer): Sums {
  const { add, sums } = summing()
  add(bytes)
  return sums()
}

/** Of bytes that come piece by piece. */
export function summing() {
  const hash = createHash('sha256')
  let sum = 0
  let bytes = 0
  return {
    add(piece: Buffer): void {
      sum = crc32(piece, sum)
      hash.update(piece)
      bytes += piece.length
    },
    sums: (): Sums => ({ crc32: sum, sha256: hash.digest(), bytes }),
  }
}
