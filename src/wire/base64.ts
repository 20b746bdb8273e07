import { growingBytes } from './growing-bytes.ts'

export class BadBase64 extends Error {
  override name = 'BadBase64'
  /** The bytes before the place where it went wrong. */
  before: Buffer = Buffer.alloc(0)
}

/** Base64 text in, bytes out, decoded as it arrives. Whitespace is skipped, the URL alphabet accepted (RFC 4648 §4, §5). */
export interface Base64Decoder {
  /** Throws a RangeError over the limit and BadBase64 for what is none. */
  write(text: string): void
  /** The bytes; throws BadBase64 when the text stopped in the middle of a byte. Empty when they went to `spill`. */
  end(): Buffer
  /** The bytes that have come so far, or up to where the text went wrong; nothing may be written after it. */
  soFar(): Buffer
  /** Of the bytes so far. */
  readonly length: number
}

const batch = 16 * 1024

/** With `spill` nothing piles up: it is given the bytes in parts, each valid only for the time of the call. */
export function base64Decoder(limit: number, spill?: (bytes: Buffer) => void): Base64Decoder {
  const bytes = growingBytes(limit, 1024 * 1024)
  let pending = ''
  let padded = false
  let spilled = 0

  function spillFrom(least: number) {
    if (!spill || bytes.length < least) return
    spilled += bytes.length
    if (spilled > limit) throw new RangeError(`more than ${limit} bytes`)
    spill(bytes.view())
    bytes.truncate(0)
  }

  function decodeWhole() {
    const whole = pending.length - (pending.length % 4)
    const before = bytes.length
    // Node skips what is not base64: fewer bytes than the length promises mean padding, whitespace or garbage.
    if (!padded && bytes.appendBase64(pending.slice(0, whole)) === (whole / 4) * 3) {
      pending = pending.slice(whole)
      return
    }
    bytes.truncate(before)
    decodeWithCare(false)
  }

  function decodeWithCare(last: boolean) {
    const text = pending.replace(/\s+/g, '')
    if (!/^[\w+/-]*={0,2}$/.test(text) || (padded && text !== '')) throw new BadBase64('not base64')
    const part = last ? text : text.slice(0, text.length - (text.length % 4))
    const digits = part.replace(/=+$/, '')
    if (digits.length % 4 === 1) throw new BadBase64('base64 cut short')
    if (bytes.appendBase64(digits) !== Math.floor((digits.length * 3) / 4)) throw new BadBase64('not base64')
    padded ||= digits.length < part.length
    pending = text.slice(part.length)
  }

  return {
    write(text) {
      if (pending.length + text.length >= batch) {
        // Of a long text only the letters that complete what waits are joined with it: the rest need not be copied.
        const missing = -pending.length & 3
        pending += text.slice(0, missing)
        decodeWhole()
        text = text.slice(missing)
      }
      pending = pending === '' ? text : pending + text
      if (pending.length >= batch) decodeWhole()
      spillFrom(batch)
    },
    end() {
      decodeWhole()
      decodeWithCare(true)
      spillFrom(1)
      const taken = bytes.take()
      spilled += taken.length
      return taken
    },
    soFar() {
      const [letters] = /^[\w+/-]*/.exec(pending.replace(/\s+/g, ''))!
      if (!padded) bytes.appendBase64(letters.slice(0, letters.length - (letters.length % 4)))
      return bytes.take()
    },
    get length() {
      return spilled + bytes.length
    },
  }
}
