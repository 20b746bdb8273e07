import { setTimeout as delay } from 'node:timers/promises'
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import { Refusal } from '../web/errors.ts'
import { networkOf } from '../web/network.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageBehind, pageOf, wantsFragment } from '../web/render.ts'
import { callerOf } from './caller.ts'
import { isFramed } from './frame.ts'
import { readTyped } from './kept-form.ts'
import { knownUserId, rememberBrowser } from './known-browser.ts'
import * as queries from './queries.ts'
import { hadSession } from './session-data.ts'
import { visitOf } from './store.ts'
import { expiresSoon, SignedOut, withAccessToken } from './tokens.ts'

const DAY_MS = 86_400_000
const SEEN_EVERY_MS = 60_000
/** How long a page waits for a new access token; the old one is still good for minutes. */
const RENEWAL_WAIT_MS = 2_000

/** Finds out who is asking: cookie → session → `SignedIn`, kept for the rest of the request. */
export function identify(deps: Deps): RequestHandler {
  return async (req, res, next) => {
    const { signInId, framed = false } = req.session
    pageOf(res).framed = framed || isFramed(req)
    if (!signInId) return next()
    const signedIn = visitOf(req)?.signedIn
    // It has ended; the session's id stays: a late answer with a new one would put out who has signed in again meanwhile.
    if (!signedIn) return next()
    res.locals.signedIn = signedIn
    // A frame would not keep that cookie.
    if (!framed && knownUserId(req, deps.config) !== signedIn.userId) rememberBrowser(res, deps.config, signedIn.userId)
    if (Date.now() - signedIn.lastSeenAt.getTime() > SEEN_EVERY_MS) await queries.touchSignIn(deps.db, signInId)
    if (Date.now() - (req.session.cookieFrom ?? 0) > DAY_MS) req.session.cookieFrom = Date.now()
    next()
  }
}

/**
 * The lock of a room: lets nobody in who is not signed in; sends people to sign in and back to where they were. `typed`
 * names the fields of the room's forms that people write in: their words outlive what keeps a form from being taken.
 */
export function requireSignIn(deps: Deps, typed: readonly string[] = []): RequestHandler {
  const askToSignIn = askingToSignIn(deps)
  return async (req, res, next) => {
    res.locals.typed = typed
    const signedIn = res.locals.signedIn as queries.SignedIn | undefined
    if (!signedIn) return askToSignIn(req, res)
    if (req.method === 'GET') {
      await Promise.race([renew(deps, signedIn), delay(RENEWAL_WAIT_MS, undefined, { ref: false })])
    }
    next()
  }
}

/** The same question where the answer is no page to sign in on. */
export async function isStillSignedIn(deps: Deps, signedIn: queries.SignedIn): Promise<boolean> {
  try {
    await renew(deps, signedIn)
    return true
  } catch (error) {
    if (!(error instanceof SignedOut)) throw error
    return false
  }
}

/** Throws `SignedOut` when the gateway has ended the sign-in. */
async function renew(deps: Deps, signedIn: queries.SignedIn): Promise<void> {
  if (!expiresSoon(signedIn)) return
  try {
    await withAccessToken(deps, signedIn.signInId, async () => undefined)
  } catch (error) {
    // The gateway is down or busy: what is kept here can still be looked at.
    if (!(error instanceof GatewayError || error instanceof PanelError)) throw error
  }
}

/** The person and sign-in behind this request. Only behind `requireSignIn`. */
export function signedIn(res: Response): queries.SignedIn & { caller: Caller } {
  const who = res.locals.signedIn as queries.SignedIn | undefined
  if (!who) throw new Error('signedIn() outside requireSignIn')
  return { ...who, caller: { address: who.address, userAgent: who.userAgent } }
}

/** A handler has learnt from the gateway that the sign-in is over. */
export function whenSignedOut(deps: Deps): ErrorRequestHandler {
  const askToSignIn = askingToSignIn(deps)
  return async (error: unknown, req, res, next) => {
    if (!(error instanceof SignedOut) || res.headersSent) return next(error)
    delete res.locals.signedIn
    pageOf(res).viewer = null
    await askToSignIn(req, res)
  }
}

function askingToSignIn(deps: Deps): (req: Request, res: Response) => Promise<void> {
  const keeps = createRateLimit(deps.db, {
    name: 'kept-form',
    points: 20,
    seconds: 600,
    refusal: 'errors.rate_limited',
  })

  return async (req, res) => {
    // Of a guest nothing is kept: it would fill the database with what anybody sends.
    const kept = hadSession(req) ? await readTyped(req, res) : null
    if (kept) {
      // A page that goes on saving its draft writes over the one it has.
      if (!req.session.keptForm) await keeps.consume(networkOf(callerOf(req).address))
      req.session.keptForm = kept
      // Nothing is told to the browser, for the same reason; the row is short-lived.
      req.session.cookie.expires = null
    }
    // A page that is open stays, with what was typed in it; a notice on it leads to the sign-in.
    if (wantsFragment(req)) throw new Refusal(401, 'session.expired')
    const back = req.method === 'GET' ? req.originalUrl : pageBehind(req)
    const query = new URLSearchParams({ next: back, ...(hadSession(req) && { expired: '1' }) })
    res.redirect(303, `/login?${query}`)
  }
}
