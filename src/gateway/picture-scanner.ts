import { BadBase64, type Base64Decoder, base64Decoder } from './base64.ts'
import { growingBytes } from './growing-bytes.ts'

/**
 * Reads one JSON document as it arrives. Base64 pictures (strings under one of `pictureKeys`, and data URLs under `url`) become
 * bytes at once and leave their index in the text; the text that remains is small and goes through JSON.parse.
 */
export interface PictureScanner {
  /**
   * Takes more of the document; true once it is whole (what follows in the segment is ignored). RangeError; BadBase64 with
   * `spill` only.
   */
  write(segment: Buffer): boolean
  /** `broken` is a text that is no JSON object or array; it is skipped until `reset`. */
  readonly state: 'empty' | 'open' | 'whole' | 'broken'
  /** The whole document; a picture is a number that `pictures` resolves. SyntaxError. */
  parse(): unknown
  /** The document's text, as `parse` sees it. */
  text(): string
  /** The whole pictures by their number, also of an unfinished document. Deleting one hands it over. */
  readonly pictures: Map<number, ScannedPicture>
  reset(): void
}

/** Bytes, or why there are none: one that is no base64 does not spoil the others. */
export type ScannedPicture = Buffer | BadBase64

export interface ScannerLimits {
  /** Bytes of one decoded picture. */
  picture: number
  /** Pictures in one document. */
  pictures: number
  /** Bytes of the document without its pictures. */
  text: number
}

const quote = 0x22
const backslash = 0x5c
const dataUrl = /^data:[^,]*;base64,$/i
const longestKey = 32
// Text full of escapes is looked at in small steps: each search for the end costs what it looks over.
const textWindow = 1024
const longestDataPrefix = 200

interface ScannerOptions {
  /** Names whose strings may be data URLs; `url` if not given. */
  urlKeys?: Pick<ReadonlySet<string>, 'has'>
  /** Is given the bytes of picture `index` in parts, each valid only for the time of the call; `pictures` stays empty. */
  spill?: (index: number, bytes: Buffer) => void
}

export function pictureScanner(
  pictureKeys: ReadonlySet<string>,
  limits: ScannerLimits,
  { urlKeys = new Set(['url']), spill }: ScannerOptions = {},
): PictureScanner {
  const text = growingBytes(limits.text)
  const pictures = new Map<number, ScannedPicture>()
  let place: 'outside' | 'string' | 'escape' | 'url' | 'url escape' | 'picture' | 'picture escape' = 'outside'
  let depth = 0
  let state: PictureScanner['state'] = 'empty'
  let seen = 0
  let stringStart = 0
  let lastString = ''
  let afterColon = false
  let urlStart = 0
  let escaped = ''
  let oddSegment: Buffer | null = null
  let decoder: Base64Decoder | null = null
  let spoiled: BadBase64 | null = null

  function reset() {
    text.truncate(0)
    pictures.clear()
    place = 'outside'
    depth = 0
    state = 'empty'
    seen = 0
    lastString = ''
    afterColon = false
    decoder = null
    spoiled = null
    oddSegment = null
  }

  function write(segment: Buffer): boolean {
    let at = 0
    while (at < segment.length && state !== 'whole' && state !== 'broken') at = step(segment, at)
    return state === 'whole'
  }

  function step(segment: Buffer, at: number): number {
    switch (place) {
      case 'outside':
        return outside(segment, at)
      case 'string':
        return string(segment, at)
      case 'url':
        return url(segment, at)
      case 'picture':
        return picture(segment, at)
      case 'escape':
      case 'url escape':
        text.append(segment, at, at + 1)
        place = place === 'escape' ? 'string' : 'url'
        return at + 1
      case 'picture escape':
        return pictureEscape(segment, at)
    }
  }

  function outside(segment: Buffer, from: number): number {
    let at = from
    for (; at < segment.length; at++) {
      const byte = segment[at]!
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        if (depth === 0) from = at + 1
      } else if (byte === quote && depth > 0) {
        text.append(segment, from, at + 1)
        openString()
        return at + 1
      } else if (byte === 0x3a) {
        afterColon = true
      } else {
        afterColon = false
        lastString = ''
        if (byte === 0x7b || byte === 0x5b) depth++
        else if (byte === 0x7d || byte === 0x5d) depth--
        if (depth < 1) {
          text.append(segment, from, at + 1)
          state = byte === 0x7d || byte === 0x5d ? 'whole' : 'broken'
          return at + 1
        }
        state = 'open'
      }
    }
    text.append(segment, from, at)
    return at
  }

  function openString() {
    stringStart = text.length
    const key = afterColon ? lastString : ''
    if (urlKeys.has(key)) {
      urlStart = text.length
      place = 'url'
    } else if (key !== '' && pictureKeys.has(key)) openPicture()
    else place = 'string'
  }

  function openPicture() {
    if (seen >= limits.pictures) throw new RangeError(`more than ${limits.pictures} pictures`)
    text.truncate(stringStart - 1)
    const index = seen
    decoder = base64Decoder(limits.picture, spill && (bytes => spill(index, bytes)))
    place = 'picture'
  }

  function string(segment: Buffer, at: number): number {
    const [end, byte] = stringEnd(segment, at, textWindow)
    const next = byte === undefined ? end : end + 1
    text.append(segment, at, next)
    if (byte === backslash) place = 'escape'
    if (byte === quote) closeString()
    return next
  }

  function closeString() {
    const key = text.view(stringStart)
    lastString = key.length - 1 <= longestKey ? key.toString('latin1', 0, key.length - 1) : ''
    afterColon = false
    place = 'outside'
  }

  /** A `url` may be a picture: its first bytes tell. */
  function url(segment: Buffer, from: number): number {
    const byte = segment[from]!
    if (byte === quote) return string(segment, from)
    text.append(segment, from, from + 1)
    if (byte === backslash) place = 'url escape'
    else if (byte === 0x2c) {
      const prefix = text.view(urlStart).toString('latin1').replaceAll('\\/', '/')
      if (dataUrl.test(prefix)) openPicture()
      else place = 'string'
    } else if (text.length - urlStart > longestDataPrefix) place = 'string'
    return from + 1
  }

  function picture(segment: Buffer, at: number): number {
    const [end, byte] = stringEnd(segment, at, segment === oddSegment ? textWindow : segment.length)
    if (byte === backslash && segment !== oddSegment) {
      // Whoever escapes slashes has thousands of them: all the harmless escapes are taken out at one go.
      const [stop] = runEnd(segment, quote, at, segment.length)
      const plain = withoutEscapes(segment.toString('latin1', at, stop))
      if (plain.includes('\\')) oddSegment = segment
      else return endPicturePart(plain, stop, segment[stop])
    }
    return endPicturePart(segment.toString('latin1', at, end), end, byte)
  }

  function endPicturePart(part: string, end: number, byte: number | undefined): number {
    decode(() => decoder!.write(part))
    if (byte === backslash) {
      place = 'picture escape'
      escaped = ''
    }
    if (byte === quote) closePicture()
    return byte === undefined ? end : end + 1
  }

  function pictureEscape(segment: Buffer, at: number): number {
    escaped += segment.toString('latin1', at, at + 1)
    if (escaped[0] !== 'u' || escaped.length === 5) {
      decode(() => decoder!.write(escapedCharacter(escaped)))
      place = 'picture'
    }
    return at + 1
  }

  function closePicture() {
    const bytes = decode(() => decoder!.end())
    const isEmpty = !spoiled && decoder!.length === 0
    text.append(Buffer.from(isEmpty ? 'null' : String(seen)))
    const found = spoiled ?? bytes
    if (!isEmpty && !spill && found) pictures.set(seen, found)
    if (!isEmpty) seen++
    decoder = null
    spoiled = null
    lastString = ''
    afterColon = false
    place = 'outside'
  }

  function decode<T>(work: () => T): T | undefined {
    if (spoiled) return
    try {
      return work()
    } catch (error) {
      if (spill || !(error instanceof BadBase64)) throw error
      spoiled = error
    }
  }

  return {
    write,
    reset,
    pictures,
    get state() {
      return state
    },
    text: () => text.view().toString('utf8'),
    parse: () => JSON.parse(text.view().toString('utf8')) as unknown,
  }
}

/** What stays has its backslash and is looked at one by one, as is an escape that goes on in the next segment. */
function withoutEscapes(text: string): string {
  return text.replaceAll('\\/', '/').replaceAll('\\n', '').replaceAll('\\r', '')
}

/** The character of a JSON escape without its backslash (RFC 8259 §7): PHP writes `\\/`, others break lines with `\\n`. */
function escapedCharacter(letters: string): string {
  try {
    return JSON.parse(`"\\${letters}"`) as string
  } catch (cause) {
    throw new BadBase64('a broken escape', { cause })
  }
}

/** Where the run of plain string bytes ends, at most `window` bytes on, and the quote or backslash that ends it. */
function stringEnd(segment: Buffer, at: number, window: number): [end: number, byte: number | undefined] {
  const [stop, byte] = runEnd(segment, quote, at, Math.min(at + window, segment.length))
  const [back, backByte] = runEnd(segment, backslash, at, stop)
  return backByte === undefined ? [stop, byte] : [back, backByte]
}

function runEnd(segment: Buffer, byte: number, at: number, stop: number): [end: number, byte: number | undefined] {
  const found = segment.subarray(at, stop).indexOf(byte)
  return found < 0 ? [stop, undefined] : [at + found, byte]
}
