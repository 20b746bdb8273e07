import { z } from 'zod'
import type { Derived } from '../library/derived.ts'
import type { Dimensions } from '../models/sizes.ts'
import type { Translate } from '../web/i18n.ts'
import { characters, isVisible } from '../web/text.ts'
import { halfWidth } from '../web/typed.ts'
import { type Sentence, say } from '../web/words.ts'
import type { MarkForm } from './view.ts'

type Marks = Extract<Derived, { did: 'mark' }>['marks']

/** Each mark has a colour of its own, by which the instruction names it. */
export const markColors = [
  { name: 'red', color: '#e6194b' },
  { name: 'blue', color: '#1e5bff' },
  { name: 'yellow', color: '#ffd800' },
  { name: 'purple', color: '#a020f0' },
  { name: 'orange', color: '#ff7a00' },
  { name: 'black', color: '#000000' },
] as const
const LONGEST_WORDS = 500

const Field = z.string().max(5000).catch('')
const Kind = z.enum(['', 'circle', 'arrow', 'dot']).catch('')

/** Six rows, each of fields that end with its number. */
export function readMarks(body: unknown): MarkForm[] {
  const fields = z.record(z.string(), z.unknown()).catch({}).parse(body)
  return markColors.map(({ name, color }, at) => {
    const text = (field: string) => Field.parse(fields[`${field}${at + 1}`] ?? '')
    const [x, y, x2, y2] = [text('x'), text('y'), text('tx'), text('ty')]
    return { name, color, kind: Kind.parse(text('kind')), x, y, x2, y2, words: text('words').trim() }
  })
}

/** The marks of rows that have one, in pixels of the picture, or what is wrong with the first that cannot be meant. */
export function marksOf(rows: readonly MarkForm[], size: Dimensions): Marks | { fault: Sentence } {
  const marks: Marks = []
  for (const [index, row] of rows.entries()) {
    const { kind, words, name, color } = row
    if (kind === '') {
      if (isVisible(words)) return { fault: say('derive.marks.no_kind', { row: index + 1 }) }
      continue
    }
    const [x, y] = [readPlace(row.x, size.width), readPlace(row.y, size.height)]
    const isPlace = kind === 'dot'
    const [x2, y2] = [isPlace ? x : readPlace(row.x2, size.width), isPlace ? y : readPlace(row.y2, size.height)]
    if (x === null || y === null || x2 === null || y2 === null) {
      return { fault: say('derive.marks.outside', { row: index + 1, width: size.width, height: size.height }) }
    }
    if (!isVisible(words)) return { fault: say('derive.marks.no_words', { row: index + 1 }) }
    if (characters(words) > LONGEST_WORDS) {
      return { fault: say('derive.marks.too_long', { row: index + 1, limit: LONGEST_WORDS }) }
    }
    marks.push({ kind, name, color, x, y, x2, y2, words })
  }
  return marks.length > 0 ? marks : { fault: say('derive.marks.nothing') }
}

/** What the model is told of a picture and of its copy with the marks on it. */
export function instructionOf(marks: Marks, t: Translate): string {
  const lines = marks.map(
    ({ kind, name, words }) =>
      `- ${t(`derive.marks.at.${kind}`, { color: t(`derive.marks.color.${name}`) })}: ${words}`,
  )
  return [t('derive.marks.prompt'), ...lines].join('\n')
}

function readPlace(typed: string, most: number): number | null {
  const plain = halfWidth(typed).trim()
  return /^\d{1,6}$/.test(plain) && Number(plain) <= most ? Number(plain) : null
}
