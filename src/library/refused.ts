import { maxPixels } from '../pixels/digest.ts'
import type { Translate } from '../web/i18n.ts'
import { type Sentence, say, word } from '../web/words.ts'

const reasons = [
  'too_large',
  'not_an_image',
  'unsupported_format',
  'too_many_pixels',
  'damaged',
  'no_room',
  'too_many',
  // Texts
  'empty',
  'text_too_long',
  'unreadable',
  /** It did not arrive. */
  'failed',
  /** It was there when it was chosen. */
  'gone',
] as const

/** Why a file that was to go along does not. */
export type Reason = (typeof reasons)[number]

/** A file that was not taken, where it was to stand. `value`: what its form sends back. */
export interface RefusedView {
  value: string
  name: string
  sentence: string
}

const LONGEST_NAME = 200
const MOST_REFUSED = 50

/**
 * A refused file as a field of its form: `not_an_image photo.heic`. It stays there, and nothing that costs money is sent,
 * until its person takes it out.
 */
export function refusedFile(reason: Reason, name: string): string {
  return `${reason} ${name.slice(0, LONGEST_NAME)}`.toWellFormed()
}

/** Those that a form or a draft names, once each. */
export function readRefused(values: unknown): string[] {
  const texts = [values ?? []].flat().filter(value => typeof value === 'string')
  const known = texts.flatMap(text => {
    const { reason, name } = split(text)
    return reason ? refusedFile(reason, name) : []
  })
  return [...new Set(known)].slice(0, MOST_REFUSED)
}

/** `most`: how many files may go along. */
export function viewRefused(t: Translate, values: readonly string[], most: number): RefusedView[] {
  return values.flatMap(value => {
    const { reason, name } = split(value)
    return reason ? { value, name, sentence: word(t, refusalOf(reason, name, most)) } : []
  })
}

export function refusalOf(reason: Reason, name: string, most: number): Sentence {
  return say(`images.upload.${reason}`, { name, size: '20 MiB', megapixels: maxPixels / 1e6, max: most })
}

function split(value: string): { reason: Reason | null; name: string } {
  const space = value.indexOf(' ')
  const word = value.slice(0, space)
  return { reason: reasons.find(reason => reason === word) ?? null, name: value.slice(space + 1) }
}
