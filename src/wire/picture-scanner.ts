import { BadBase64, type Base64Decoder, base64Decoder } from './base64.ts'
import { growingBytes } from './growing-bytes.ts'
import { backslash, escapedCharacter, quote, runEnd, stringEnd, unescaped, withoutEscapes } from './json-letters.ts'

/**
 * Reads one JSON document as it arrives. Base64 pictures, plain or as data URLs, become bytes at once and leave their index in the
 * text; the text that remains is small and goes through JSON.parse. A string in a list goes by the name of the list.
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
  /** What has come of the picture that is being read, which ends here; null when none is, and with `spill`. */
  unfinished(): Buffer | null
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

const dataUrl = /^\s*data:[^,]*;base64,$/i
const anyDataUrl = /^\s*data:/i
// How base64 of PNG, JPEG, WebP, GIF and AVIF begins; an address never does.
const signature = /^\s*(?:iVBORw0KGgo|[/_]9j[/_]|UklGR.{6}V0VCU|R0lGOD|AAAA.GZ0eXBhdm)/
const longestKey = 32
// Text full of escapes is looked at in small steps: each search for the end costs what it looks over.
const textWindow = 1024
const longestDataPrefix = 200
// Enough for the longest signature, with some line breaks before it.
const enoughToTell = 32

interface ScannerOptions {
  /** Names whose strings are pictures or addresses: their first letters tell. `url` if not given. */
  addressKeys?: Pick<ReadonlySet<string>, 'has'> | undefined
  /** Is given the bytes of picture `index` in parts, each valid only for the time of the call; `pictures` stays empty. */
  spill?: (index: number, bytes: Buffer) => void
}

/** Under one of `pictureKeys` every string is a picture. */
export function pictureScanner(
  pictureKeys: ReadonlySet<string>,
  limits: ScannerLimits,
  { addressKeys = new Set(['url']), spill }: ScannerOptions = {},
): PictureScanner {
  const text = growingBytes(limits.text)
  const pictures = new Map<number, ScannedPicture>()
  let place: 'outside' | 'string' | 'escape' | 'beginning' | 'beginning escape' | 'picture' | 'picture escape' =
    'outside'
  // For each list or object that is open the name of its strings: objects have names of their own.
  const containers: string[] = []
  let state: PictureScanner['state'] = 'empty'
  let seen = 0
  let stringStart = 0
  let lastString = ''
  let afterColon = false
  let isSurelyPicture = false
  let escaped = ''
  let oddSegment: Buffer | null = null
  let decoder: Base64Decoder | null = null
  let spoiled: BadBase64 | null = null

  function reset() {
    text.truncate(0)
    pictures.clear()
    place = 'outside'
    containers.length = 0
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
      case 'beginning':
        return beginning(segment, at)
      case 'picture':
        return picture(segment, at)
      case 'escape':
      case 'beginning escape':
        text.append(segment, at, at + 1)
        place = place === 'escape' ? 'string' : 'beginning'
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
        if (containers.length === 0) from = at + 1
      } else if (byte === quote && containers.length > 0) {
        text.append(segment, from, at + 1)
        openString()
        return at + 1
      } else if (byte === 0x3a) {
        afterColon = true
      } else {
        if (byte === 0x7b) containers.push('')
        else if (byte === 0x5b) containers.push(nameOfNext())
        else if (byte === 0x7d || byte === 0x5d) containers.pop()
        afterColon = false
        lastString = ''
        if (containers.length === 0) {
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

  function nameOfNext(): string {
    return afterColon ? lastString : (containers.at(-1) ?? '')
  }

  function openString() {
    stringStart = text.length
    const name = nameOfNext()
    isSurelyPicture = pictureKeys.has(name)
    place = name !== '' && (isSurelyPicture || addressKeys.has(name)) ? 'beginning' : 'string'
  }

  function openPicture(letters: string) {
    if (seen >= limits.pictures) throw new RangeError(`more than ${limits.pictures} pictures`)
    text.truncate(stringStart - 1)
    const index = seen
    decoder = base64Decoder(limits.picture, spill && (bytes => spill(index, bytes)))
    place = 'picture'
    decode(() => decoder!.write(letters))
  }

  /** A byte at a time: in text that is nothing but escapes each search for the next would cost more than it. */
  function string(segment: Buffer, from: number): number {
    let at = from
    while (at < segment.length && segment[at] !== quote) at += segment[at] === backslash ? 2 : 1
    const next = Math.min(at + 1, segment.length)
    text.append(segment, from, next)
    // The last byte was a backslash.
    if (at > segment.length) place = 'escape'
    else if (at < segment.length) closeString()
    return next
  }

  function closeString() {
    const key = text.view(stringStart)
    lastString = key.length - 1 <= longestKey ? key.toString('latin1', 0, key.length - 1) : ''
    afterColon = false
    place = 'outside'
  }

  /** The letters so far stay in the text until they tell what the string is. */
  function beginning(segment: Buffer, from: number): number {
    const byte = segment[from]!
    if (byte === quote) {
      if (!isSurelyPicture) return string(segment, from)
      openPicture(unescaped(text.view(stringStart)) ?? '!')
      // The quote is read again, as the end of the picture.
      return from
    }
    text.append(segment, from, from + 1)
    if (byte === backslash) place = 'beginning escape'
    else tellByLetters()
    return from + 1
  }

  function tellByLetters() {
    const letters = unescaped(text.view(stringStart))
    const isLong = text.length - stringStart > longestDataPrefix
    if (letters === null) {
      if (isLong) place = 'string'
    } else if (anyDataUrl.test(letters) && !isLong) {
      if (dataUrl.test(letters)) openPicture('')
      else if (letters.endsWith(',') && !isSurelyPicture) place = 'string'
    } else if (letters.length >= enoughToTell) {
      if (isSurelyPicture || signature.test(letters)) openPicture(letters)
      else place = 'string'
    }
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
    if (spoiled && !spill) spoiled.before = decoder!.soFar()
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
    unfinished: () => (decoder && !spill ? decoder.soFar() : null),
    get state() {
      return state
    },
    text: () => text.view().toString('utf8'),
    parse: () => JSON.parse(text.view().toString('utf8')) as unknown,
  }
}
