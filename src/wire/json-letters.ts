import { BadBase64 } from './base64.ts'

export const quote = 0x22
export const backslash = 0x5c

/** The characters of JSON letters; null where they end within an escape. */
export function unescaped(letters: Buffer): string | null {
  try {
    return JSON.parse(`"${letters.toString('latin1')}"`) as string
  } catch {
    return null
  }
}

/** What stays has its backslash and is looked at one by one, as is an escape that goes on in the next segment. */
export function withoutEscapes(text: string): string {
  return text.replaceAll('\\/', '/').replaceAll('\\n', '').replaceAll('\\r', '')
}

/** The character of a JSON escape without its backslash (RFC 8259 §7): PHP writes `\\/`, others break lines with `\\n`. */
export function escapedCharacter(letters: string): string {
  try {
    return JSON.parse(`"\\${letters}"`) as string
  } catch (cause) {
    throw new BadBase64('a broken escape', { cause })
  }
}

/** Where the run of plain string bytes ends, at most `window` bytes on, and the quote or backslash that ends it. */
export function stringEnd(segment: Buffer, at: number, window: number): [end: number, byte: number | undefined] {
  const [stop, byte] = runEnd(segment, quote, at, Math.min(at + window, segment.length))
  const [back, backByte] = runEnd(segment, backslash, at, stop)
  return backByte === undefined ? [stop, byte] : [back, backByte]
}

export function runEnd(
  segment: Buffer,
  byte: number,
  at: number,
  stop: number,
): [end: number, byte: number | undefined] {
  const found = segment.subarray(at, stop).indexOf(byte)
  return found < 0 ? [stop, undefined] : [at + found, byte]
}
