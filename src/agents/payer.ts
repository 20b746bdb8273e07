import { askPatiently, FRESH_MS } from '../account/ask-patiently.ts'
import { opensBindingKey, sealBindingKey } from '../account/key.ts'
import { goneState } from '../account/key-state.ts'
import { factsOf, fetchKeyRing, type KeyRing } from '../account/keys.ts'
import { obstacleTo } from '../account/obstacle.ts'
import type { ObstacleView } from '../account/view.ts'
import type { Deps } from '../deps.ts'
import { SignedOut, withSomeAccessToken } from '../session/tokens.ts'
import { Problem } from './problem.ts'
import * as queries from './queries.ts'

/** While nobody can be asked, a spend cap is kept with older prices, but not for ever. */
const LONGEST_UNASKED_MS = 86_400_000

/**
 * The SSH key with what its API key costs now, as far as that can be told within two seconds. The gateway tells prices to a person only, not to an API key: they are
 * asked for in the name of the owner's latest sign-in. Throws `Problem` 403 when a spend cap would have to be kept with
 * prices that nobody has been able to check for a day, 409 when the API key can no longer be read.
 */
export async function withCurrentPrices<K extends queries.SshKey>(deps: Deps, sshKey: K): Promise<K> {
  if (isCurrent(deps, sshKey)) return sshKey
  const answer = await askPatiently(deps, `key of SSH key ${sshKey.id}`, () => ask(deps, sshKey))
  const current = { ...sshKey, ...answer }
  if (!canPay(deps, current)) throw new Problem(409, 'no_api_key', 'agents.key_lost')
  const isCapped = current.spendPerDay !== null || current.spendTotal !== null
  if (isCapped && age(current) > LONGEST_UNASKED_MS) {
    throw new Problem(403, 'price_unknown', 'agents.limit.price_not_checked')
  }
  return current
}

/** False when its API key was sealed under a secret that is no longer given. */
export function canPay(deps: Pick<Deps, 'sealer'>, { userId, id, keySecret }: queries.SshKey): boolean {
  return keySecret !== null && opensBindingKey(deps, userId, id, keySecret)
}

/** What is in the way of paying with its API key, by what the gateway says now, else by what was known last. */
export function obstacleOf(sshKey: queries.SshKey, ring: KeyRing | null): ObstacleView | null {
  const key = ring?.keys.find(each => each.id === sshKey.keyId)
  const { keyId, keyName, keyAllowsImages } = sshKey
  const known = { keyId, keyName, keyAllowsImages, keyState: ring ? goneState : sshKey.keyState }
  if (!ring || !key) return obstacleTo(known, 'pictures')
  const { state, allowsImages } = factsOf(ring, key)
  return obstacleTo({ ...known, keyName: key.name, keyAllowsImages: allowsImages, keyState: state }, 'pictures')
}

function isCurrent(deps: Pick<Deps, 'sealer'>, sshKey: queries.SshKey): boolean {
  return canPay(deps, sshKey) && age(sshKey) < FRESH_MS
}

function age({ keyCheckedAt }: queries.SshKey): number {
  return Date.now() - keyCheckedAt.getTime()
}

/** Null when nobody is signed in to ask as. Throws what the gateway's panel throws. */
async function ask(deps: Deps, sshKey: queries.SshKey): Promise<queries.SshKey | null> {
  const { userId, id, keyId } = sshKey
  // The answer to the question before this one may have come since the row was read.
  const known = await queries.findSshKey(deps.db, userId, id)
  if (known && isCurrent(deps, known)) return known
  try {
    const ring = await withSomeAccessToken(deps, { userId, signInId: null }, (token, caller) =>
      fetchKeyRing(deps, caller, token),
    )
    const key = ring.keys.find(each => each.id === keyId)
    if (!key) return await queries.markBoundKeyGone(deps.db, sshKey)
    const sealed = sealBindingKey(deps, userId, id, key.key)
    return await queries.updateBoundKey(deps.db, sshKey, { ...factsOf(ring, key), sealed })
  } catch (error) {
    if (error instanceof SignedOut) return null
    throw error
  }
}
