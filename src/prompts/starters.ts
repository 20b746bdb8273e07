import type { Key } from '../web/i18n.ts'

/** Prompts to start from, by what they are about, in the shape that suits them; their words are under `prompts.starters`. */
export const starters = {
  landscapes: {
    size: '1536x1024',
    names: ['coast', 'valley', 'desert', 'season', 'ice', 'terraces', 'forest', 'lake'],
  },
  portraits: { size: '1024x1536', names: ['baker', 'window', 'elder', 'trade', 'dancer', 'child', 'ink', 'night'] },
  animals: { size: '1024x1024', names: ['heron', 'cat', 'owl', 'dogs', 'whale', 'bees', 'hare', 'octopus'] },
  food: { size: '1024x1024', names: ['noodles', 'bread', 'market', 'recipe', 'tea', 'cake', 'soup', 'ice_cream'] },
  buildings: {
    size: '1536x1024',
    names: ['library', 'house', 'alley', 'greenhouse', 'cutaway', 'bridge', 'station', 'rooftops'],
  },
  products: {
    size: '1024x1024',
    names: ['watch', 'bottle', 'chair', 'mockup', 'exploded', 'shoes', 'packaging', 'desk'],
  },
  posters: { size: '1024x1536', names: ['festival', 'travel', 'science', 'film', 'concert', 'reading', 'year', 'map'] },
  patterns: {
    size: '1024x1024',
    names: ['botanical', 'tiles', 'waves', 'motif', 'icons', 'logo', 'marble', 'stickers'],
  },
} as const

export type Subject = keyof typeof starters
export const subjects = Object.keys(starters) as Subject[]

/** By its name in an address, `food.tea`; null when there is none. */
export function ideaNamed(id: string): { words: Key; size: string } | null {
  const [subject = '', name = ''] = id.split('.')
  const found = Object.hasOwn(starters, subject) ? starters[subject as Subject] : null
  const names: readonly string[] = found?.names ?? []
  return found && names.includes(name) ? { words: wordsOf(subject as Subject, name), size: found.size } : null
}

/** The prompt itself, in the reader's language. */
export function wordsOf(subject: Subject, name: string): Key {
  return `prompts.starters.${subject}.${name}` as Key
}
