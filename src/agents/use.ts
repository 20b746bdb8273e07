import { isDeepStrictEqual } from 'node:util'
import type { Db } from '../db/db.ts'
import { sumUnsent } from '../images/ssh-key-queries.ts'
import { sumOfSshKey } from '../spend/queries.ts'

/** What an SSH key has used; days are those of UTC, money is US dollars. */
export interface Use {
  picturesToday: number
  unfinished: number
  spentToday: number
  spentTotal: number
}

const LOOKS = 5

/**
 * Calls count with their estimate until their amount is known, and not at all when they were free. What waits to be
 * called counts as if it were called today.
 */
export async function useOf(db: Db, sshKeyId: string): Promise<Use> {
  let called = await sumOfSshKey(db, sshKeyId)
  for (let look = 1; ; look++) {
    const waiting = await sumUnsent(db, sshKeyId)
    const then = called
    called = await sumOfSshKey(db, sshKeyId)
    // Something was called meanwhile: it would count twice. Better that than never, where it does not come to rest.
    if (!isDeepStrictEqual(called, then) && look < LOOKS) continue
    return {
      picturesToday: called.picturesToday + waiting.pictures,
      unfinished: waiting.unfinished,
      spentToday: called.spentToday + waiting.usd,
      spentTotal: called.spentTotal + waiting.usd,
    }
  }
}
