import { askPatiently } from '../account/ask-patiently.ts'
import { refreshSomeBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { SignedOut } from '../session/tokens.ts'
import { listToAsk } from './cover-queries.ts'

/** Ticks between two questions: who has topped up does not wait long, and the gateway is not asked in vain. */
const EVERY_TICKS = 20

/**
 * Reads the balance again of whoever waits for it, so that what it covers by now goes on by itself. Of somebody who is
 * signed in nowhere, or where the gateway is away, it is believed for a while and then no more.
 */
export async function askBalances(deps: Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log' | 'config'>): Promise<void> {
  try {
    const userIds = await listToAsk(deps.db, EVERY_TICKS * deps.config.worker.tickSeconds)
    await Promise.all(userIds.map(userId => askPatiently(deps, `balance of user ${userId}`, () => ask(deps, userId))))
  } catch (error) {
    deps.log.warn({ err: error }, 'balances that are waited for could not be read')
  }
}

async function ask(deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>, userId: number): Promise<void> {
  try {
    await refreshSomeBalance(deps, userId)
  } catch (error) {
    if (!(error instanceof SignedOut)) throw error
  }
}
