import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../deps.ts'
import type { Caller, Tokens } from '../gateway/client.ts'
import { PanelError } from '../gateway/errors.ts'
import { SealBroken } from '../secrets/sealer.ts'
import type { Secret } from '../secrets/secret.ts'
import { countPanelCalls } from './panel-queries.ts'
import * as queries from './queries.ts'

const RENEW_AHEAD_MS = 5 * 60_000
const REFRESH_LEASE_SECONDS = 30
const LOOK_AGAIN_MS = 100

/** The gateway no longer knows this sign-in; it has been ended here too. */
export class SignedOut extends Error {}

export function sealTokens(deps: Pick<Deps, 'sealer'>, userId: number, tokens: Tokens): queries.SealedTokens {
  return {
    accessToken: deps.sealer.seal('access token', userId, tokens.accessToken),
    // Without a refresh token it cannot be renewed: it lasts until it ends.
    renewAt: tokens.refreshToken ? renewAt(tokens.expiresAt) : tokens.expiresAt,
    refreshToken: tokens.refreshToken && deps.sealer.seal('refresh token', userId, tokens.refreshToken),
  }
}

export function openRefreshToken(deps: Pick<Deps, 'sealer'>, signIn: queries.SignIn): Secret | null {
  return signIn.refreshToken && deps.sealer.open('refresh token', signIn.userId, signIn.refreshToken)
}

export function resealTokens(
  deps: Pick<Deps, 'sealer'>,
  { userId, accessToken, refreshToken }: queries.SignIn,
): Omit<queries.SealedTokens, 'renewAt'> {
  return {
    accessToken: deps.sealer.reseal('access token', userId, accessToken),
    refreshToken: refreshToken && deps.sealer.reseal('refresh token', userId, refreshToken),
  }
}

/** Between the two steps of a sign-in nobody is known yet: bound to its purpose alone. */
export function sealTwoFactorToken(deps: Pick<Deps, 'sealer'>, token: Secret): string {
  return deps.sealer.seal('two-factor token', 0, token).toString('base64')
}

export function openTwoFactorToken(deps: Pick<Deps, 'sealer'>, sealed: string): Secret {
  return deps.sealer.open('two-factor token', 0, Buffer.from(sealed, 'base64'))
}

/** An access token of the gateway's menu, until it is known that its bearer wants to be signed in. */
export function sealHandedToken(deps: Pick<Deps, 'sealer'>, userId: number, token: Secret): string {
  return deps.sealer.seal('access token', userId, token).toString('base64')
}

export function openHandedToken(deps: Pick<Deps, 'sealer'>, userId: number, sealed: string): Secret {
  return deps.sealer.open('access token', userId, Buffer.from(sealed, 'base64'))
}

/**
 * Runs `call` with an access token that has some life left, refreshed first where needed, and once more when the
 * gateway says that it has expired. `panelCalls`: how many it makes, for the budget of the person; 0 when they were
 * counted before. Throws `SignedOut` when the gateway has ended the sign-in, and whatever `call`
 * throws.
 */
export async function withAccessToken<T>(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  signInId: string,
  call: (accessToken: Secret, caller: Caller) => Promise<T>,
  panelCalls = 1,
): Promise<T> {
  let signIn = await queries.findSignIn(deps.db, signInId)
  if (!signIn) throw new SignedOut('signed out')
  if (panelCalls > 0) await countPanelCalls(deps.db, signIn.userId, panelCalls)
  if (expiresSoon(signIn)) signIn = await refresh(deps, signIn)
  try {
    return await call(open(deps, signIn), callerOf(signIn))
  } catch (error) {
    // Sealed under a secret that is no longer given.
    if (error instanceof SealBroken) return end(deps, signIn)
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

/**
 * The same with any sign-in of a person, the named one first: for what is asked while nobody is there. `call` hears whose
 * it is. Throws `SignedOut` when they are signed in nowhere.
 */
export async function withSomeAccessToken<T>(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  { userId, signInId }: { userId: number; signInId: string | null },
  call: (accessToken: Secret, caller: Caller, signInId: string) => Promise<T>,
  panelCalls = 1,
): Promise<T> {
  let next = signInId ?? (await queries.findLatestSignInId(deps.db, userId))
  while (next) {
    const current = next
    try {
      return await withAccessToken(deps, current, (token, caller) => call(token, caller, current), panelCalls)
    } catch (error) {
      if (!(error instanceof SignedOut)) throw error
      next = await queries.findLatestSignInId(deps.db, userId)
    }
  }
  throw new SignedOut('signed in nowhere')
}

export function expiresSoon(signIn: { renewAt: Date }): boolean {
  return signIn.renewAt.getTime() <= Date.now()
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
  try {
    const refreshToken = openRefreshToken(deps, signIn)
    if (!refreshToken) return await end(deps, signIn)
    const tokens = await deps.gateway.refresh(callerOf(signIn), refreshToken)
    const renewed = await queries.finishRefresh(deps.db, signIn, sealTokens(deps, signIn.userId, tokens))
    if (!renewed) throw new SignedOut('signed out')
    return renewed
  } catch (error) {
    const refused = error instanceof PanelError && (error.status === 401 || error.status === 403)
    if (refused || error instanceof SealBroken) return end(deps, signIn)
    await queries.releaseRefresh(deps.db, signIn)
    throw error
  }
}

async function end(deps: Pick<Deps, 'db'>, signIn: queries.SignIn): Promise<never> {
  await queries.deleteSignIn(deps.db, signIn.userId, signIn.id)
  throw new SignedOut('the gateway has ended this sign-in')
}

/** Five minutes ahead, or a fifth of its life: a token that lives for five minutes must not be renewed at every call. */
function renewAt(expiresAt: Date): Date {
  const life = expiresAt.getTime() - Date.now()
  return new Date(expiresAt.getTime() - Math.min(RENEW_AHEAD_MS, life / 5))
}

function open(deps: Pick<Deps, 'sealer'>, signIn: queries.SignIn): Secret {
  return deps.sealer.open('access token', signIn.userId, signIn.accessToken)
}

function callerOf(signIn: queries.SignIn): Caller {
  return { address: signIn.address, userAgent: signIn.userAgent }
}
