import { randomBytes } from 'node:crypto'
import type { Request } from 'express'
import 'express-session'

declare module 'express-session' {
  /** What one browser's session holds. Gateway tokens are not here but, sealed, on the `sign_ins` row. */
  interface SessionData {
    signInId?: string
    /** The cookie is given out anew when it is a day old. */
    cookieFrom?: number
    /** The password was right; the six digits are still to come. */
    twoFactor?: { email: string; maskedEmail: string; sealedToken: string; expiresAt: number; next: string }
    /** A form that was sent after the sign-in had ended; put back after the next one. */
    keptForm?: { path: string; fields: Record<string, string | string[]> }
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

/** A new session id, as at every change of who is signed in (session fixation); `keep` survives. */
export async function regenerate(req: Request): Promise<void> {
  const { keptForm } = req.session
  await new Promise<void>((resolve, reject) => {
    req.session.regenerate(error => (error ? reject(error) : resolve()))
  })
  req.session.cookieFrom = Date.now()
  if (keptForm) req.session.keptForm = keptForm
}

export async function save(req: Request): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    req.session.save(error => (error ? reject(error) : resolve()))
  })
}
