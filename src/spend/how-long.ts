import { tierOf } from '../account/prices.ts'
import type { Pace, Work } from './pace-queries.ts'

/** Within these seconds eight calls of ten like this one came to their end. */
export interface Usual {
  from: number
  to: number
}

const FEWEST = 20
// Enough to be sure of the tenth of both ends, and few enough to follow a gateway that has become slower.
const NEWEST = 40
const TENTH = 0.1

/** As narrow as there is enough of it. A broader one would tell of other work: another quality takes another time. */
const cells: readonly ((one: Work, other: Work) => boolean)[] = [
  (one, other) => one.size === other.size && one.keyId === other.keyId,
  (one, other) => one.size === other.size,
  (one, other) => tierOf(one.size) === tierOf(other.size),
]

/** How long a call takes, by what calls like it took lately (newest first); null where these are too few to tell. */
export function usualOf(paces: readonly Pace[], work: Work): Usual | null {
  const alike = paces.filter(
    ({ model, quality, n, isEdit }) =>
      model === work.model && quality === work.quality && n === work.n && isEdit === work.isEdit,
  )
  for (const isSame of cells) {
    const cell = alike.filter(pace => isSame(pace, work)).slice(0, NEWEST)
    if (cell.length >= FEWEST) return rangeOf(cell.map(({ seconds }) => seconds))
  }
  return null
}

/**
 * A prediction interval that supposes no distribution: the next of n + 1 is as likely to be the i-th as any other, so that it is
 * below the k-th of n with k / (n + 1). Rounded as people say it.
 */
function rangeOf(seconds: readonly number[]): Usual {
  const sorted = seconds.toSorted((a, b) => a - b)
  const place = (sorted.length + 1) * TENTH
  const at = (rank: number) => {
    const below = Math.floor(rank)
    const [low, high] = [sorted[below - 1]!, sorted[below] ?? sorted[below - 1]!]
    return low + (high - low) * (rank - below)
  }
  const [least, most] = [at(place), at(sorted.length + 1 - place)]
  const step = most < 20 ? 1 : most < 180 ? 5 : 60
  const from = Math.round(least / step) * step
  return { from, to: Math.max(Math.round(most / step) * step, from + step) }
}
