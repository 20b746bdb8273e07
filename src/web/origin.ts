import type { Request, RequestHandler } from 'express'
import { Refusal } from './errors.ts'

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses what another site makes a browser send (CSRF): an unsafe request must say that it comes from this origin,
 * by `Sec-Fetch-Site`, or by `Origin` from a browser that does not send that (plain http). A request with neither is
 * not a browser's and carries no one's cookie by accident.
 */
export function checkOrigin(publicOrigin: string | null): RequestHandler {
  return (req, _res, next) => {
    if (safeMethods.has(req.method) || isOurs(req, publicOrigin)) return next()
    throw new Refusal(403, 'errors.forbidden_origin')
  }
}

function isOurs(req: Request, publicOrigin: string | null): boolean {
  const site = req.get('Sec-Fetch-Site')
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const origin = req.get('Origin')
  if (origin === undefined) return true
  // The raw Host: a forwarded one is whatever the sender likes.
  return publicOrigin ? origin === publicOrigin : URL.parse(origin)?.host === req.headers.host
}
