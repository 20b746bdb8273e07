import { diffWordsWithSpace } from 'diff'

/** A piece of a text that stayed, came or went. */
export interface Change {
  is: 'kept' | 'new' | 'gone'
  text: string
}

// Chinese has words without spaces between them.
const segmenter = new Intl.Segmenter('zh', { granularity: 'word' })
const HAN = /\p{Script=Han}/u

/** Word by word, in the order in which they are read. */
export function changesBetween(before: string, after: string): Change[] {
  const options = HAN.test(before + after) ? { intlSegmenter: segmenter } : {}
  return diffWordsWithSpace(before, after, options).map(({ added, removed, value }) => ({
    is: added ? 'new' : removed ? 'gone' : 'kept',
    text: value,
  }))
}
