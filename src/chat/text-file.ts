import { open } from 'node:fs/promises'
import { analyse } from 'chardet'

const LONGEST_TEXT_FILE = 256 * 1024
/** Of the file, for guessing its encoding: guessing takes as long as what is looked at. */
const SAMPLE = 16 * 1024
const CONFIDENT = 50
const ORDINARY = 0.6

/** Why a file is no text: empty, a text that is too long, or something that no encoding makes sense of. */
export type NoText = 'empty' | 'text_too_long' | 'unreadable'

/**
 * The text of a plain text file of up to 256 KiB: UTF-8, UTF-16 with or without its mark, or what it most likely is of the
 * older encodings of East Asia and Europe. No more of the file is read than that.
 */
export async function readTextFile(file: string): Promise<{ text: string } | { refused: NoText }> {
  const buffer = Buffer.allocUnsafe(LONGEST_TEXT_FILE + 1)
  await using handle = await open(file)
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
  if (bytesRead === 0) return { refused: 'empty' }
  const isCut = bytesRead > LONGEST_TEXT_FILE
  const text = decodeText(buffer.subarray(0, Math.min(bytesRead, LONGEST_TEXT_FILE)), isCut)
  if (text === null) return { refused: 'unreadable' }
  return isCut ? { refused: 'text_too_long' } : { text }
}

/** Null for what is no text. `isCut`: its last character may be half. */
function decodeText(bytes: Buffer, isCut: boolean): string | null {
  for (const encoding of encodingsOf(bytes)) {
    const text = decodeAs(encoding, bytes, isCut)
    if (text !== null) return text
  }
  return null
}

/** What texts do not have, and wrong guesses do. */
const strange = /(?!\s)\p{Cc}|[\ufffe\uffff]/u

function decodeAs(encoding: string, bytes: Buffer, isCut: boolean): string | null {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: isCut })
    // A NUL cannot be stored.
    return (encoding === 'utf-8' ? text.includes('\0') : strange.test(text)) ? null : text
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return null
    throw error
  }
}

function* encodingsOf(bytes: Buffer): Generator<string> {
  if (bytes.includes('\x1b$')) yield 'iso-2022-jp'
  yield 'utf-8'
  if (bytes[0] === 0xff && bytes[1] === 0xfe) yield 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) yield 'utf-16be'
  const sample = bytes.subarray(0, SAMPLE)
  const [even, odd] = zeros(sample)
  if (odd > even) yield 'utf-16le'
  if (even > odd) yield 'utf-16be'
  // Nothing else has any.
  if (even + odd > 0) return
  const guesses = analyse(sample).map(({ name, confidence }) => ({ name: name.toLowerCase(), confidence }))
  const sureOf = (name: string) => guesses.find(guess => guess.name === name)?.confidence ?? 0
  const wide = eastAsian
    .map(({ name, ...ranges }) => ({ name, share: ordinaryShare(sample, ranges), sure: sureOf(name) }))
    .filter(({ share, sure }) => sure >= CONFIDENT || share >= ORDINARY)
    .sort((a, b) => Math.max(b.sure, CONFIDENT) - Math.max(a.sure, CONFIDENT) || b.share - a.share || b.sure - a.sure)
  for (const { name } of wide) yield name
  for (const { name } of guesses) if (!eastAsian.some(each => each.name === name)) yield name
}

/** How many bytes at even and at odd places are 0: half of the Latin letters and line ends of UTF-16. */
function zeros(bytes: Buffer): [even: number, odd: number] {
  const count: [number, number] = [0, 0]
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === 0) count[at & 1]!++
  return count
}

type Range = readonly [from: number, to: number]

interface TwoBytes {
  /** First bytes of the characters that make up nearly all of a text: punctuation, syllables, common ideographs. */
  ordinary: readonly Range[]
  lead: readonly Range[]
  trail: readonly Range[]
}

// As the national standards lay them out: GB 2312 and its second half in GB 18030, Big5, JIS X 0208 twice, KS X 1001. The
// detector needs more text than a small table has; where two fit as well, the one that comes first is meant more often.
const eastAsian: readonly ({ name: string } & TwoBytes)[] = [
  {
    name: 'gb18030',
    ordinary: [
      [0xa1, 0xa3],
      [0xb0, 0xd7],
    ],
    lead: [[0x81, 0xfe]],
    trail: [[0xa1, 0xfe]],
  },
  {
    name: 'big5',
    ordinary: [[0xa1, 0xc6]],
    lead: [[0x81, 0xfe]],
    trail: [
      [0x40, 0x7e],
      [0xa1, 0xfe],
    ],
  },
  {
    name: 'shift_jis',
    ordinary: [
      [0x81, 0x83],
      [0x88, 0x97],
    ],
    lead: [
      [0x81, 0x9f],
      [0xe0, 0xfc],
    ],
    trail: [
      [0x40, 0x7e],
      [0x80, 0xfc],
    ],
  },
  {
    name: 'euc-jp',
    ordinary: [
      [0xa1, 0xa5],
      [0xb0, 0xcf],
    ],
    lead: [[0xa1, 0xfe]],
    trail: [[0xa1, 0xfe]],
  },
  {
    name: 'euc-kr',
    ordinary: [
      [0xa1, 0xa3],
      [0xb0, 0xc8],
    ],
    lead: [[0xa1, 0xfe]],
    trail: [[0xa1, 0xfe]],
  },
]

/** Of what is not ASCII, the part that is ordinary; 0 to 1. */
function ordinaryShare(bytes: Buffer, { ordinary, lead, trail }: TwoBytes): number {
  let [all, known] = [0, 0]
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at]! < 0x80) continue
    all++
    if (!isIn(lead, bytes[at])) continue
    if (isIn(trail, bytes[at + 1])) {
      if (isIn(ordinary, bytes[at])) known++
      at++
    }
  }
  return all === 0 ? 0 : known / all
}

function isIn(ranges: readonly Range[], byte: number | undefined): boolean {
  return byte !== undefined && ranges.some(([from, to]) => byte >= from && byte <= to)
}
