import { randomBytes } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import 'express-session'
import type { Config } from '../config.ts'
import { acrossSites } from '../web/preferences.ts'
import { keepInFrame } from './frame.ts'

export interface KeptForm {
  path: string
  fields: Record<string, string | string[]>
  /** The names of those that people write in; sessions of an earlier version do not have them. */
  typed?: string[]
}

/** Somebody whom the gateway's menu has handed over, and who has yet to arrive. */
export interface Pending {
  userId: number
  email: string
  sealedToken: string
  /** Came from the gateway's own site. */
  isProven: boolean
  expiresAt: number
  next: string
}

declare module 'express-session' {
  /** What one browser's session holds. Gateway tokens are not here but, sealed, on the `sign_ins` row. */
  interface SessionData {
    signInId?: string
    /** Who signed in here last, also when that sign-in has ended: what is kept for them is nobody else's. */
    lastUserId?: number
    /** The cookie is given out anew when it is a day old. */
    cookieFrom?: number
    /** The password was right; the six digits are still to come. */
    twoFactor?: { email: string; maskedEmail: string; sealedToken: string; expiresAt: number; next: string }
    handedOver?: Pending
    /** This browser has us in a frame of the gateway's site, and this session for it alone. */
    framed?: boolean
    /** A form that was sent after the sign-in had ended; put back after the next one. */
    keptForm?: KeptForm
  }
}

const strangers = new WeakSet<Request>()

/** Makes the id of a session. Until it has answered, the request has the one that its cookie brought, signed by us. */
export function newSessionId(req: Request): string {
  if (!req.sessionID) strangers.add(req)
  return randomBytes(24).toString('base64url')
}

/** Whether this browser had a session of ours before, however long that has been over: its cookie proves it. */
export function hadSession(req: Request): boolean {
  return !strangers.has(req)
}

/** Bound to this very host where the site has https. */
export function sessionCookie({ publicOrigin }: Pick<Config, 'publicOrigin'>) {
  const secure = publicOrigin?.startsWith('https:') ?? false
  return {
    name: secure ? '__Host-sid' : 'sid',
    attributes: { httpOnly: true, secure, sameSite: 'lax', path: '/' },
  } as const
}

/** A new session id, as at every change of who is signed in (session fixation); what waits for the next sign-in survives. */
export async function regenerate(req: Request): Promise<void> {
  const { keptForm, lastUserId, framed } = req.session
  await new Promise<void>((resolve, reject) => {
    req.session.regenerate(error => (error ? reject(error) : resolve()))
  })
  if (framed) keepInFrame(req)
  req.session.cookieFrom = Date.now()
  if (keptForm) req.session.keptForm = keptForm
  if (lastUserId !== undefined) req.session.lastUserId = lastUserId
}

/**
 * No redirect leaves before the session that was changed is a row: its headers would go out first, and a browser be at the
 * next address before what it needs there. Behind what loads the session.
 */
export const saveBeforeRedirects: RequestHandler = (req, res, next) => {
  const before = contentOf(req)
  const redirect = res.redirect.bind(res) as (...asked: unknown[]) => void
  res.redirect = (...asked: unknown[]) => {
    if (!req.session || contentOf(req) === before) return redirect(...asked)
    req.session.save(error => (error ? next(error) : redirect(...asked)))
  }
  next()
}

/** All but its cookie, which is moved on with each request. */
function contentOf({ session }: Request): string {
  return JSON.stringify(Object.entries(session ?? {}).filter(([name]) => name !== 'cookie'))
}

/** The browser leaves: nothing of its session stays, here or there. */
export async function forget(req: Request, res: Response, config: Pick<Config, 'publicOrigin'>): Promise<void> {
  const { framed } = req.session
  await new Promise<void>((resolve, reject) => {
    req.session.destroy(error => (error ? reject(error) : resolve()))
  })
  const { name, attributes } = sessionCookie(config)
  res.clearCookie(name, framed ? { ...attributes, ...acrossSites } : attributes)
}
