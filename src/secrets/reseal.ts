import { SealBroken } from './sealer.ts'

const AT_ONCE = 500

/**
 * Seals rows of a kind anew, page by page, each once: one that cannot be opened keeps none behind it. Answers how many
 * it were; those that are left when it is `stopping` wait for the next time.
 */
export async function resealEach<Row>(
  list: (after: string | null, limit: number) => Promise<Row[]>,
  replace: (row: Row) => Promise<number>,
  idOf: (row: Row) => string,
  stopping: AbortSignal,
): Promise<number> {
  let total = 0
  for (let rows = await list(null, AT_ONCE); rows.length > 0; rows = await list(idOf(rows.at(-1)!), AT_ONCE)) {
    for (const row of rows) {
      if (stopping.aborted) return total
      try {
        total += await replace(row)
      } catch (error) {
        // Of no use to anybody: its owner signs in or chooses again.
        if (!(error instanceof SealBroken)) throw error
      }
    }
  }
  return total
}
