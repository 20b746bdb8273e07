import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import type { Usage } from '../gateway/schemas.ts'
import type { Secret } from '../secrets/secret.ts'

const PAGE_SIZE = 200
const MOST_PAGES = 5

/** The usage rows of a person since a time, as far as they could be read. */
export interface UsageList {
  rows: Usage[]
  /** They reach back to that time: a call without a row among them has none. */
  isWhole: boolean
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
  for (let page = 1; page <= MOST_PAGES; page++) {
    const answer = await deps.gateway.listUsage(caller, token, { page, size: PAGE_SIZE })
    rows.push(...answer.rows)
    const isWhole = answer.isLast || answer.rows.some(row => row.createdAt !== null && row.createdAt < since)
    if (isWhole) return { rows, isWhole }
  }
  return { rows, isWhole: false }
}
