import type { Response } from 'express'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { chooseKey, type KeyRing, problemOf, tryKeyRing } from './keys.ts'
import { reloadViewer } from './viewer.ts'

/** Why a key was not chosen; null when it was. */
type Refused = 'account.key_gone' | 'account.key_unusable' | null

export async function chooseFrom(
  deps: Pick<Deps, 'db' | 'sealer'>,
  userId: number,
  ring: KeyRing,
  keyId: number,
): Promise<Refused> {
  const key = ring.keys.find(candidate => candidate.id === keyId)
  if (!key) return 'account.key_gone'
  if (problemOf(ring, key)) return 'account.key_unusable'
  await chooseKey(deps, userId, ring, key)
  return null
}

/** Chooses one of the person's keys for this request and all later ones. Throws `SignedOut`. */
export async function chooseKeyNamed(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  res: Response,
  keyId: unknown,
): Promise<Refused | 'account.keys_unavailable'> {
  const { userId, signInId } = signedIn(res)
  const ring = await tryKeyRing(deps, signInId)
  if (!ring) return 'account.keys_unavailable'
  const refused = await chooseFrom(deps, userId, ring, Number(keyId))
  await reloadViewer(deps, res)
  return refused
}
