import type { Deps } from '../deps.ts'
import { takeSettlingLook } from '../session/panel-queries.ts'
import { askBalances } from './ask-balances.ts'
import type * as queries from './queries.ts'
import { AFTER_A_BREAK, type CallKind, type Tell } from './receipt.ts'
import { settle } from './settle.ts'
import { claimDueReceipts, postponeLook } from './settle-queries.ts'

const RECEIPTS_AT_ONCE = 500
/** A gateway that hangs holds a look for a while: the others do not wait for it. */
const LOOKS_AT_ONCE = 10
const STOP_WITHIN_MS = 5_000
/** After a look that came to nothing, such as beside another at the same person's calls. */
const AGAIN_AFTER_SECONDS = 2
/** When this minute has no room for a look. */
const FULL_SECONDS = 10

/**
 * Settles by itself what was called and may have been charged, of whatever kind: one look serves all calls of a person.
 * A call whose end is given up is settled as one that broke.
 */
export function startSettling(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log' | 'config' | 'metrics'>,
  kinds: readonly CallKind[],
): { stop(): Promise<void> } {
  const tellers = new Map(kinds.map(({ kind, tell }) => [kind, tell]))
  const tell: Tell = async (tx, receipt, verdict) => tellers.get(receipt.kind)?.(tx, receipt, verdict)
  const looks = new Set<Promise<void>>()
  let claiming: Promise<void> | null = null
  let asking: Promise<void> | null = null

  function tick(): void {
    asking ??= askBalances(deps).finally(() => {
      asking = null
    })
    if (looks.size >= LOOKS_AT_ONCE) return
    claiming ??= claim()
      .catch(error => deps.log.warn({ err: error }, 'bills could not be settled'))
      .finally(() => {
        claiming = null
      })
  }

  async function claim(): Promise<void> {
    const due = await claimDueReceipts(deps.db, RECEIPTS_AT_ONCE, AFTER_A_BREAK)
    for (const receipts of Map.groupBy(due, receipt => receipt.userId).values()) {
      const look: Promise<void> = lookFor(receipts)
        .catch(async error => {
          deps.log.error({ err: error, user: receipts[0]!.userId }, 'bills could not be settled')
          await postponeLook(deps.db, receipts, AGAIN_AFTER_SECONDS)
        })
        // They come again when their claim has run out.
        .catch(error => deps.log.warn({ err: error }, 'the next look at bills could not be set'))
        .finally(() => looks.delete(look))
      looks.add(look)
    }
  }

  /** Nothing is lost by waiting: the rows stay. */
  async function lookFor(receipts: readonly queries.EndedReceipt[]): Promise<void> {
    const { userId } = receipts[0]!
    if (await takeSettlingLook(deps.db, userId)) return settle(deps, receipts, tell, { asked: false })
    await postponeLook(deps.db, receipts, FULL_SECONDS)
  }

  const timer = setInterval(tick, deps.config.worker.tickSeconds * 1000)
  return {
    async stop() {
      clearInterval(timer)
      await claiming
      await asking
      await Promise.race([Promise.all(looks), new Promise(resolve => setTimeout(resolve, STOP_WITHIN_MS).unref())])
    },
  }
}
