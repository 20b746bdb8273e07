import type { Deps } from '../deps.ts'
import { withAccessToken } from '../session/tokens.ts'
import * as queries from './queries.ts'

/** Asks the gateway for the balance and keeps it. Throws `SignedOut`, `PanelError` and `GatewayError`. */
export async function refreshBalance(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  userId: number,
  signInId: string,
): Promise<void> {
  const profile = await withAccessToken(deps, signInId, (token, caller) => deps.gateway.profile(caller, token))
  if (profile.balance !== undefined) await queries.upsertBalance(deps.db, userId, profile.balance)
}
