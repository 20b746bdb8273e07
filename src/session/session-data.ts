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
