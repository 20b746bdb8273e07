/** Bytes that arrive in pieces, copied into one buffer that doubles when full; going over `limit` throws a RangeError. */
interface GrowingBytes {
  readonly length: number
  append(chunk: Buffer, start?: number, end?: number): void
  /** Appends canonical base64 (a multiple of four characters, padding only at its end); returns the bytes it became. */
  appendBase64(text: string): number
  /** The bytes so far; valid until the next append. */
  view(start?: number): Buffer
  /** Hands the bytes over, and starts again empty. */
  take(): Buffer
  truncate(length: number): void
}

export function growingBytes(limit: number, firstSize = 4096): GrowingBytes {
  let buffer = Buffer.alloc(0)
  let length = 0

  function makeRoom(more: number) {
    const needed = length + more
    if (needed > limit) throw new RangeError(`more than ${limit} bytes`)
    if (needed <= buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, buffer.length * 2, firstSize), limit))
    buffer.copy(grown, 0, 0, length)
    buffer = grown
  }

  return {
    get length() {
      return length
    },
    append(chunk, start = 0, end = chunk.length) {
      if (end <= start) return
      makeRoom(end - start)
      length += chunk.copy(buffer, length, start, end)
    },
    appendBase64(text) {
      // Padding makes the true length up to two bytes less: the limit is kept to within those two.
      makeRoom(Math.ceil((text.length * 3) / 4))
      const written = buffer.write(text, length, 'base64')
      length += written
      return written
    },
    view(start = 0) {
      return buffer.subarray(start, length)
    },
    take() {
      // Whoever keeps the content keeps the buffer, of which the system has given no more than was written to.
      const bytes = length < buffer.length / 2 ? Buffer.from(buffer.subarray(0, length)) : buffer.subarray(0, length)
      buffer = Buffer.alloc(0)
      length = 0
      return bytes
    },
    truncate(shorter) {
      length = Math.min(length, shorter)
    },
  }
}
