import { resealBindingKey, resealChosenKey, resealJobKey } from '../account/key.ts'
import * as account from '../account/queries.ts'
import * as agents from '../agents/queries.ts'
import type { Deps } from '../deps.ts'
import * as images from '../images/sealed-key-queries.ts'
import { SealBroken } from '../secrets/sealer.ts'
import * as session from '../session/queries.ts'
import { resealTokens } from '../session/tokens.ts'

const AT_ONCE = 500

/**
 * Seals with the first secret what an older one sealed and is kept for longer than the minutes of an answer, so that
 * the older one can be dropped. Returns how many rows that were.
 */
export async function resealAll(deps: Pick<Deps, 'db' | 'sealer'>): Promise<number> {
  const { db, sealer } = deps
  const { older } = sealer
  if (older.length === 0) return 0
  const counts = [
    await each(
      after => account.listKeysSealedWith(db, older, after, AT_ONCE),
      row => account.replaceSealedKey(db, row, resealChosenKey(deps, row.userId, row.keySecret)),
      row => String(row.userId),
    ),
    await each(
      after => agents.listKeysSealedWith(db, older, after, AT_ONCE),
      row => agents.replaceSealedKey(db, row, resealBindingKey(deps, row.userId, row.id, row.keySecret)),
      row => row.id,
    ),
    await each(
      after => images.listKeysSealedWith(db, older, after, AT_ONCE),
      row => images.replaceSealedKey(db, row, resealJobKey(deps, row.userId, row.id, row.keySecret)),
      row => row.id,
    ),
    await each(
      after => session.listSignInsSealedWith(db, older, after, AT_ONCE),
      row => session.replaceTokens(db, row, resealTokens(deps, row)),
      row => row.id,
    ),
  ]
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Page by page, each row once: one that cannot be opened keeps none behind it. */
async function each<Row>(
  list: (after: string | null) => Promise<Row[]>,
  replace: (row: Row) => Promise<number>,
  idOf: (row: Row) => string,
): Promise<number> {
  let total = 0
  for (let rows = await list(null); rows.length > 0; rows = await list(idOf(rows.at(-1)!))) {
    for (const row of rows) {
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
