import type { Request } from 'express'
import type { Caller } from '../gateway/client.ts'

/** One address and one user agent for the whole life of the sign-in: the gateway may bind its session to both. */
export function callerOf(req: Request): Caller {
  const userAgent = (req.get('User-Agent') ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, 300)
  return { address: (req.ip ?? '').replace(/^::ffff:(?=\d+\.)/i, ''), userAgent: userAgent || 'sub2api-playground' }
}
