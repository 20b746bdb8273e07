import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { WindowName } from '../gateway/windows.ts'
import { SignedOut, withSomeAccessToken } from '../session/tokens.ts'

const LOOK_AGAIN_MS = 5 * 60_000

/** When a full window of a key opens, as the gateway says; in five minutes where that cannot be learnt. */
export async function windowOpensAt(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log'>,
  payer: { userId: number; signInId: string | null; keyId: number | null },
  name: WindowName,
): Promise<Date> {
  try {
    const keys = await withSomeAccessToken(deps, payer, (token, caller) => deps.gateway.listKeys(caller, token))
    const window = keys.find(key => key.id === payer.keyId)?.windows.find(each => each.window === name)
    if (window?.resetsAt) return window.resetsAt
  } catch (error) {
    const isExpected = error instanceof GatewayError || error instanceof PanelError || error instanceof SignedOut
    if (!isExpected) throw error
    deps.log.info({ err: error, key: payer.keyId }, 'when a window of a key opens could not be read')
  }
  return new Date(Date.now() + LOOK_AGAIN_MS)
}
