import type { ResponseEvent } from '../../gateway/client.ts'
import { pictureSieve } from '../../gateway/picture-words.ts'
import type { Turn } from '../branch.ts'

/** How the text of an answer names its pictures: Markdown's images, of attachments counted from one. */
const reference = /!\[([^[\]\n]{0,200})\]\(attachment:(\d{1,2})\)/g
/** Characters. */
export const LONGEST_PROMPT = 32_000

export type Drawing = Extract<ResponseEvent, { type: 'drawing' }>

/** What stands in the text of an answer, behind `before`, where a picture begins. */
export function referTo({ index, by, name }: Drawing, before: string): string {
  const image = `![${name}](attachment:${index + 1})`
  if (by === 'words') return image
  return `${before === '' ? '' : '\n\n'}${image}\n\n`
}

/** A text with something else in place of its pictures; each counted from zero. */
export function replaceDrawn(text: string, replace: (index: number, name: string) => string): string {
  return text.replace(reference, (_whole, name: string, number: string) => replace(Number(number) - 1, name))
}

/** The text without pictures that were written into it as letters, before they were picked out. */
export function withoutLetters(text: string): string {
  const sieve = pictureSieve(0)
  const pieces = [...sieve.write(text), ...sieve.end()]
  return pieces.map(piece => (typeof piece === 'string' ? piece : 'begins' in piece ? '[a picture]' : '')).join('')
}

/** What was asked for: the newest words of the person above an answer. */
export function promptAbove(turns: readonly Turn[]): string {
  return (
    turns
      .findLast(turn => turn.kind === 'user')
      ?.message.text.slice(0, LONGEST_PROMPT)
      .toWellFormed() ?? ''
  )
}
