import { BadBase64, type Base64Decoder, base64Decoder } from '../wire/base64.ts'

/** A picture that was written out as letters. */
export interface WrittenPicture {
  /** Null when the letters are no base64, or more than a picture may have. */
  bytes: Buffer | null
  /** As they came, the first two million of them: for when they are no picture. */
  letters: string
}

/** Words; or where a picture begins, under which name; or that picture, once it is over. */
type Piece = string | { begins: string } | { picture: WrittenPicture }

/** Takes the words of a model as they come, and picks out the pictures that it writes as base64. */
export interface PictureSieve {
  write(text: string): Piece[]
  /** Nothing more comes: what was held back, as words or as a picture. */
  end(): Piece[]
}

/** Fewer letters are an example of base64, or a dot: they stay words. */
const FEWEST_LETTERS = 1_000
const MOST_KEPT_LETTERS = 2_000_000
/** Lines of wrapped base64 are at least this long (RFC 2045 allows 76, RFC 1421 has 64). */
const SHORTEST_LINE = 60
const LONGEST_LINE = 200

const signatures = ['iVBORw0KGgo', '/9j/', 'UklGR', 'R0lGOD', 'data:']
const LONGEST_SIGNATURE = 11
/** A signature that no line of letters follows is a word like any other: a text may be full of them. */
const start =
  /(?:(?:!\[(?<alt>[^[\]\n]{0,200})\]\(<?)?(?<url>data:image\/[\w.+-]{1,40}(?:;[\w.=+-]{1,40}){0,3};base64,)|(?<![\w+/=.:-])(?:iVBORw0KGgo|\/9j\/|UklGR|R0lGOD))(?=[\w+/-]{40}|[\w+/-]*$)/i
/** What may turn out to be the beginning of one. */
const beginning = /(?:!(?:\[[^[\]\n]{0,200}(?:\](?:\(<?[\w/:;.=+-]{0,200})?)?)?|(?<!\w)data:[\w/.;=+-]{0,200})$/i
const letters = /[\w+/-]*/y
const nextLine = /^\r?\n([\w+/-]*)/

export function pictureSieve(limit: number): PictureSieve {
  let held = ''
  let run: Run | null = null

  function write(text: string, isEnd = false): Piece[] {
    held += text
    const pieces: Piece[] = []
    while (run ? letter(run, isEnd, pieces) : word(isEnd, pieces)) {}
    return pieces
  }

  /** Words up to the next picture; true when one begins. */
  function word(isEnd: boolean, pieces: Piece[]): boolean {
    const found = start.exec(held)
    const end = found ? found.index : isEnd ? held.length : held.length - heldBack(held)
    if (end > 0) pieces.push(held.slice(0, end))
    held = held.slice(end)
    if (!found) return false
    const { alt, url } = found.groups!
    const before = url ? found[0] : ''
    held = held.slice(before.length)
    run = newRun(limit, before, alt)
    return true
  }

  /** Letters of a picture; true when it is over, and words follow. */
  function letter(current: Run, isEnd: boolean, pieces: Piece[]): boolean {
    for (;;) {
      letters.lastIndex = 0
      const [plain] = letters.exec(held)!
      current.take(plain)
      held = held.slice(plain.length)
      if (!current.announced && current.length >= FEWEST_LETTERS) {
        current.announced = true
        pieces.push({ begins: current.alt ?? '' })
      }
      if (held === '' && !isEnd) return false
      const line = current.isWrapped && nextLine.exec(held)
      if (!line) break
      const rest = held.slice(line[0].length)
      if (rest === '' && line[1]!.length < SHORTEST_LINE && !isEnd) return false
      const isLast = /^(?:$|[=\r\n`)"'>])/.test(rest) && line[1] !== ''
      if (line[1]!.length < SHORTEST_LINE && !isLast) break
      const lineBreak = line[0].slice(0, line[0].length - line[1]!.length)
      current.takeBreak(lineBreak)
      held = held.slice(lineBreak.length)
    }
    const [padding] = /^={0,2}/.exec(held)!
    const after = held.slice(padding.length)
    const isImage = current.alt !== undefined
    // Another = may follow, or the bracket of a Markdown image.
    const waits = isImage ? after === '' || after === '>' : after === '' && padding.length < 2
    if (waits && !isEnd) return false
    current.take(padding)
    held = after
    run = null
    if (!current.announced) pieces.push(current.asWords())
    else {
      if (isImage) held = held.replace(/^>?\)/, '')
      pieces.push({ picture: current.end() })
    }
    return true
  }

  return { write: text => write(text), end: () => write('', true) }
}

interface Run {
  /** Of a Markdown image. */
  readonly alt: string | undefined
  /** Whether it was long enough to be told of. */
  announced: boolean
  readonly length: number
  take(letters: string): void
  takeBreak(lineBreak: string): void
  /** Whether its last line is as long as lines of base64 are. */
  readonly isWrapped: boolean
  end(): WrittenPicture
  asWords(): string
}

function newRun(limit: number, before: string, alt: string | undefined): Run {
  // A text may be full of beginnings: one that stays short is never decoded.
  let decoder: Base64Decoder | null = null
  let kept = ''
  let length = 0
  let line = 0
  let isBroken = false

  const decode = <T>(work: () => T): T | null => {
    if (isBroken) return null
    try {
      return work()
    } catch (error) {
      if (!(error instanceof BadBase64 || error instanceof RangeError)) throw error
      isBroken = true
      return null
    }
  }

  return {
    alt,
    announced: false,
    get length() {
      return length
    },
    take(text) {
      length += text.length
      line += text.length
      const earlier = decoder ? '' : kept
      if (kept.length < MOST_KEPT_LETTERS) kept += text.slice(0, MOST_KEPT_LETTERS - kept.length)
      if (length < FEWEST_LETTERS) return
      decoder ??= base64Decoder(limit)
      const { write } = decoder
      decode(() => write(earlier + text))
    },
    takeBreak(lineBreak) {
      line = 0
      kept += lineBreak
    },
    get isWrapped() {
      return line >= SHORTEST_LINE && line <= LONGEST_LINE
    },
    end() {
      const bytes = decode(() => decoder?.end() ?? null)
      return { bytes: bytes && bytes.length > 0 ? bytes : null, letters: before + kept }
    },
    asWords: () => before + kept,
  }
}

/** How much of the end of `text` may be the beginning of a picture. */
function heldBack(text: string): number {
  const found = beginning.exec(text.slice(-700))
  if (found) return found[0].length
  for (let length = Math.min(LONGEST_SIGNATURE, text.length); length > 0; length--) {
    const isApart = !/[\w+/=]$/.test(text.slice(0, -length).slice(-1))
    if (isApart && signatures.some(signature => signature.startsWith(text.slice(-length)))) return length
  }
  return 0
}
