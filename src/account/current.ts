import type { Response } from 'express'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { SignedOut, withAccessToken, withSomeAccessToken } from '../session/tokens.ts'
import { askPatiently, FRESH_MS } from './ask-patiently.ts'
import { fullWindow } from './key-state.ts'
import { fetchKeyRing, RING_CALLS, updateChosenKey } from './keys.ts'
import type { Account } from './queries.ts'
import { accountOf, findUsableAccount, reloadViewer } from './viewer.ts'

type CurrentDeps = Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log'>

/**
 * Reads the chosen key again when what is known of it is old: its price, whether it can be used, its windows. What this
 * request shows and does is by what came of it. True when it was asked for. Throws `SignedOut`.
 */
export async function keepCurrent(deps: CurrentDeps, res: Response): Promise<boolean> {
  const account = accountOf(res)
  if (isCurrent(account)) return false
  const { userId, signInId } = signedIn(res)
  const keyId = account?.keyId ?? null
  // By sign-in: another browser's may have ended, which is no matter of this one.
  await askPatiently(deps, `key ${keyId} of sign-in ${signInId}`, async () => {
    const ring = await withAccessToken(deps, signInId, (token, caller) => fetchKeyRing(deps, caller, token), RING_CALLS)
    await updateChosenKey(deps, { userId, keyId }, ring)
  })
  await reloadViewer(deps, res)
  return true
}

/** The same where nobody is there: through any of the person's sign-ins. */
export async function currentAccount(
  deps: CurrentDeps,
  { userId, signInId }: { userId: number; signInId: string | null },
): Promise<Account | null> {
  const account = await findUsableAccount(deps, userId)
  if (isCurrent(account)) return account
  const keyId = account?.keyId ?? null
  await askPatiently(deps, `key ${keyId} of user ${userId}`, async () => {
    const ring = await ringOf(deps, { userId, signInId })
    if (ring) await updateChosenKey(deps, { userId, keyId }, ring)
  })
  return findUsableAccount(deps, userId)
}

/** Whether the price was read lately; else it is the last one known. */
export function isCurrent(account: Pick<Account, 'keyCheckedAt'> | null): boolean {
  return account?.keyCheckedAt != null && Date.now() - account.keyCheckedAt.getTime() < FRESH_MS
}

/** The chosen key, when it was learnt lately that none of its windows is full: nothing waits for it any more. */
export function openKeyOf(account: Account | null): number | null {
  return account && isCurrent(account) && !fullWindow(account.keyState) ? account.keyId : null
}

/** Null when the person is signed in nowhere. */
async function ringOf(deps: CurrentDeps, who: { userId: number; signInId: string | null }) {
  try {
    return await withSomeAccessToken(deps, who, (token, caller) => fetchKeyRing(deps, caller, token), RING_CALLS)
  } catch (error) {
    if (error instanceof SignedOut) return null
    throw error
  }
}
