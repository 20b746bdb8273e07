import type { Request } from 'express'
import { acrossSites } from '../web/preferences.ts'

/** Whether the answer is shown within a page of another site. Browsers say so wherever such cookies can be kept at all. */
export function isFramed(req: Request): boolean {
  return /^i?frame$/.test(req.get('Sec-Fetch-Dest') ?? '')
}

/** From now on the cookie of this session belongs to frames of this site within that other one, and to nothing else. */
export function keepInFrame(req: Request): void {
  req.session.framed = true
  Object.assign(req.session.cookie, acrossSites)
}
