/** Set by `npm run test:long`. */
const isWhole = process.env.TEST_CASES === 'all'

/**
 * One in `share` of many cases that stand for each other, so that the suite stays quick; all of them in
 * `npm run test:long`. Which ones depends on `turn` alone: a test that counts its turns sees other cases in each.
 */
export function someOf<T>(cases: readonly T[], share: number, turn = 0): T[] {
  return isWhole ? [...cases] : cases.filter((_, at) => (at + turn) % share === 0)
}
