import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../deps.ts'
import type { Caller, Tokens } from '../gateway/client.ts'
import { PanelError } from '../gateway/errors.ts'
import type { Secret } from '../secrets/secret.ts'
import * as queries from './queries.ts'

const REFRESH_AHEAD_MS = 5 * 60_000
const REFRESH_LEASE_SECONDS = 30
const LOOK_AGAIN_MS = 100

/** The gateway no longer knows this sign-in; it has been ended here too. */
export class SignedOut extends Error {}

export function sealTokens(deps: Pick<Deps, 'sealer'>, userId: number, tokens: Tokens): queries.SealedTokens {
  return {
    accessToken: deps.sealer.seal('access token', userId, tokens.accessToken),
    accessExpiresAt: tokens.expiresAt,
    refreshToken: tokens.refreshToken && deps.sealer.seal('refresh token', userId, tokens.refreshToken),
  }
}

export function openRefreshToken(deps: Pick<Deps, 'sealer'>, signIn: queries.SignIn): Secret | null {
  return signIn.refreshToken && deps.sealer.open('refresh token', signIn.userId, signIn.refreshToken)
}

/**
 * Runs `call` with an access token that is good for at least a few minutes, refreshed first where needed, and once more
 * when the gateway says that it has expired. Throws `SignedOut` when the gateway has ended the sign-in, and whatever
 * `call` throws.
 */
export async function withAccessToken<T>(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  signInId: string,
  call: (accessToken: Secret, caller: Caller) => Promise<T>,
): Promise<T> {
  let signIn = await queries.findSignIn(deps.db, signInId)
  if (!signIn) throw new SignedOut('signed out')
  if (expiresSoon(signIn)) signIn = await refresh(deps, signIn)
  try {
    return await call(open(deps, signIn), callerOf(signIn))
  } catch (error) {
    if (!(error instanceof PanelError && error.status === 401)) throw error
    // Another process may have refreshed since we read the row; `refresh` notices.
    const renewed = await refresh(deps, signIn)
    try {
      return await call(open(deps, renewed), callerOf(renewed))
    } catch (again) {
      if (again instanceof PanelError && again.status === 401) await end(deps, renewed)
      throw again
    }
  }
}

export function expiresSoon(signIn: { accessExpiresAt: Date }): boolean {
  return signIn.accessExpiresAt.getTime() - Date.now() < REFRESH_AHEAD_MS
}

const underWay = new Map<string, Promise<queries.SignIn>>()

/**
 * One refresh per sign-in at a time, over all processes: the refresh token dies with its first use, so a second one
 * in parallel would sign the user out. In this process by one promise, between processes by a lease on the row.
 */
function refresh(deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>, signIn: queries.SignIn): Promise<queries.SignIn> {
  const key = `${signIn.id}:${signIn.tokenVersion}`
  let run = underWay.get(key)
  if (!run) {
    run = refreshOnce(deps, signIn).finally(() => underWay.delete(key))
    underWay.set(key, run)
  }
  return run
}

async function refreshOnce(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  stale: queries.SignIn,
): Promise<queries.SignIn> {
  for (;;) {
    const claimed = await queries.claimRefresh(deps.db, stale, REFRESH_LEASE_SECONDS)
    if (claimed) return exchange(deps, claimed)
    const current = await queries.findSignIn(deps.db, stale.id)
    if (!current) throw new SignedOut('signed out')
    if (current.tokenVersion !== stale.tokenVersion) return current
    await delay(LOOK_AGAIN_MS)
  }
}

async function exchange(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  signIn: queries.SignIn,
): Promise<queries.SignIn> {
  const refreshToken = openRefreshToken(deps, signIn)
  if (!refreshToken) return end(deps, signIn)
  try {
    const tokens = await deps.gateway.refresh(callerOf(signIn), refreshToken)
    const renewed = await queries.finishRefresh(deps.db, signIn, sealTokens(deps, signIn.userId, tokens))
    if (!renewed) throw new SignedOut('signed out')
    return renewed
  } catch (error) {
    if (error instanceof PanelError && (error.status === 401 || error.status === 403)) return end(deps, signIn)
    await queries.releaseRefresh(deps.db, signIn)
    throw error
  }
}

async function end(deps: Pick<Deps, 'db'>, signIn: queries.SignIn): Promise<never> {
  await queries.deleteSignIn(deps.db, signIn.userId, signIn.id)
  throw new SignedOut('the gateway has ended this sign-in')
}

function open(deps: Pick<Deps, 'sealer'>, signIn: queries.SignIn): Secret {
  return deps.sealer.open('access token', signIn.userId, signIn.accessToken)
}

function callerOf(signIn: queries.SignIn): Caller {
  return { address: signIn.address, userAgent: signIn.userAgent }
}
