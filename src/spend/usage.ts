import { clock } from '../db/clock.ts'
import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import type { Usage } from '../gateway/schemas.ts'
import type { Secret } from '../secrets/secret.ts'
import { countPanelCalls } from '../session/panel-queries.ts'

const PAGE_SIZE = 200
const MOST_PAGES = 5

/** The newest usage rows of a person, as far as they could be read. */
export interface UsageList {
  rows: Usage[]
  /** They reach back to then: a call after that without a row among them has none. */
  since: Date
  /** When they were asked for, by the clock of the database: of what was billed later they know nothing. */
  askedAt: Date
}

/**
 * Of all keys: under a key that was deleted the gateway finds nothing, while its rows are still in the list of all.
 * Throws `PanelError` and `GatewayError`.
 */
export async function readUsage(
  deps: Pick<Deps, 'db' | 'gateway'>,
  userId: number,
  caller: Caller,
  token: Secret,
  since: Date,
): Promise<UsageList> {
  const askedAt = await clock(deps.db)
  const rows: Usage[] = []
  let oldest = askedAt
  for (let page = 1; page <= MOST_PAGES && oldest >= since; page++) {
    // The first page was counted by whoever asks.
    if (page > 1) await countPanelCalls(deps.db, userId, 1, 1)
    const answer = await deps.gateway.listUsage(caller, token, { page, size: PAGE_SIZE })
    rows.push(...answer.rows)
    if (answer.isLast) return { rows, since: new Date(0), askedAt }
    for (const { createdAt } of answer.rows) if (createdAt && createdAt < oldest) oldest = createdAt
  }
  return { rows, since: oldest, askedAt }
}
