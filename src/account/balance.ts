import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import type { Secret } from '../secrets/secret.ts'
import { withAccessToken, withSomeAccessToken } from '../session/tokens.ts'
import * as queries from './queries.ts'

/** Asks the gateway for the balance and keeps it. `panelCalls`: 0 when the call was counted before. Throws `SignedOut`, `PanelError` and `GatewayError`. */
export async function refreshBalance(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  userId: number,
  signInId: string,
  panelCalls = 1,
): Promise<void> {
  const ask = (token: Secret, caller: Caller) => deps.gateway.profile(caller, token)
  const profile = await withAccessToken(deps, signInId, ask, panelCalls)
  if (profile.balance !== undefined) await queries.upsertBalance(deps.db, userId, profile.balance)
}

/** The same where nobody is there: through any of the person's sign-ins. */
export async function refreshSomeBalance(deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>, userId: number): Promise<void> {
  const who = { userId, signInId: null }
  const profile = await withSomeAccessToken(deps, who, (token, caller) => deps.gateway.profile(caller, token))
  if (profile.balance !== undefined) await queries.upsertBalance(deps.db, userId, profile.balance)
}
