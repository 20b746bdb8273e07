import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import type { Usage } from '../gateway/schemas.ts'
import type { Secret } from '../secrets/secret.ts'

const PAGE_SIZE = 200
const MOST_PAGES = 5

/** The newest usage rows of a person, as far as they could be read. */
export interface UsageList {
  rows: Usage[]
  /** They reach back to then: a call after that without a row among them has none. */
  since: Date
}

/**
 * Of all keys: under a key that was deleted the gateway finds nothing, while its rows are still in the list of all.
 * Throws `PanelError` and `GatewayError`.
 */
export async function readUsage(
  deps: Pick<Deps, 'gateway'>,
  caller: Caller,
  token: Secret,
  since: Date,
): Promise<UsageList> {
  const rows: Usage[] = []
  let oldest = new Date()
  for (let page = 1; page <= MOST_PAGES && oldest >= since; page++) {
    const answer = await deps.gateway.listUsage(caller, token, { page, size: PAGE_SIZE })
    rows.push(...answer.rows)
    if (answer.isLast) return { rows, since: new Date(0) }
    for (const { createdAt } of answer.rows) if (createdAt && createdAt < oldest) oldest = createdAt
  }
  return { rows, since: oldest }
}
