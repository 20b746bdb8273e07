import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import { GatewayError } from '../gateway/errors.ts'
import { wantsFragment } from '../web/render.ts'
import * as queries from './queries.ts'
import { regenerate } from './session-data.ts'
import { expiresSoon, SignedOut, withAccessToken } from './tokens.ts'

const DAY_MS = 86_400_000
const SEEN_EVERY_MS = 60_000

/** Finds out who is asking: cookie → session → `SignedIn`, kept for the rest of the request. */
export function identify(deps: Deps): RequestHandler {
  return async (req, res, next) => {
    const { signInId } = req.session
    if (!signInId) return next()
    const signedIn = await queries.findSignedIn(deps.db, signInId)
    if (!signedIn) {
      await regenerate(req)
      return next()
    }
    res.locals.signedIn = signedIn
    if (Date.now() - signedIn.lastSeenAt.getTime() > SEEN_EVERY_MS) await queries.touchSignIn(deps.db, signInId)
    if (Date.now() - (req.session.cookieFrom ?? 0) > DAY_MS) req.session.cookieFrom = Date.now()
    next()
  }
}

/** The lock of a room: lets nobody in who is not signed in; sends people to sign in and back to where they were. */
export function requireSignIn(deps: Deps): RequestHandler {
  return async (req, res, next) => {
    const signedIn = res.locals.signedIn as queries.SignedIn | undefined
    if (!signedIn) return askToSignIn(req, res)
    if (req.method === 'GET' && expiresSoon(signedIn)) {
      try {
        await withAccessToken(deps, signedIn.signInId, async () => undefined)
      } catch (error) {
        // The gateway is down: what is kept here can still be looked at.
        if (!(error instanceof GatewayError)) throw error
      }
    }
    next()
  }
}

/** The person and sign-in behind this request. Only behind `requireSignIn`. */
export function signedIn(res: Response): queries.SignedIn & { caller: Caller } {
  const who = res.locals.signedIn as queries.SignedIn | undefined
  if (!who) throw new Error('signedIn() outside requireSignIn')
  return { ...who, caller: { address: who.address, userAgent: who.userAgent } }
}

/** A handler has learnt from the gateway that the sign-in is over. */
export const whenSignedOut: ErrorRequestHandler = async (error: unknown, req, res, next) => {
  if (!(error instanceof SignedOut) || res.headersSent) return next(error)
  await regenerate(req)
  askToSignIn(req, res)
}

function askToSignIn(req: Request, res: Response): void {
  const back = req.method === 'GET' && !wantsFragment(req) ? req.originalUrl : pageBehind(req)
  if (req.method === 'POST' && typeof req.body === 'object') {
    req.session.keptForm = { path: req.path, fields: plainFields(req.body) }
  }
  const login = `/login?${new URLSearchParams({ next: back, expired: '1' })}`
  // A fragment has no place for a sign-in page: htmx goes there as a whole.
  if (wantsFragment(req)) res.status(401).set({ 'HX-Redirect': login, 'Cache-Control': 'no-store' }).end()
  else res.redirect(303, login)
}

function pageBehind(req: Request): string {
  const referrer = URL.parse(req.get('HX-Current-URL') ?? req.get('Referer') ?? '')
  return referrer && referrer.host === req.headers.host ? referrer.pathname + referrer.search : '/'
}

const KEPT_CHARACTERS = 200_000

function plainFields(body: unknown): Record<string, string> {
  const kept: Record<string, string> = {}
  let left = KEPT_CHARACTERS
  for (const [name, value] of Object.entries(body as Record<string, unknown>)) {
    if (typeof value !== 'string' || name.length > 50 || value.length > left) continue
    kept[name] = value
    left -= value.length
  }
  return kept
}
