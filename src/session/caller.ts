import { isIP } from 'node:net'
import type { Request } from 'express'
import type { Caller } from '../gateway/client.ts'

/** One address and one user agent for the whole life of the sign-in: the gateway may bind its session to both. */
export function callerOf(req: Request): Caller {
  const userAgent = (req.get('User-Agent') ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, 300)
  return { address: addressOf(req), userAgent: userAgent || 'sub2api-playground' }
}

/** What the proxies that are believed say of it, if it is an address at all, else the other end of the connection. */
function addressOf(req: Request): string {
  const said = bare(req.ip ?? '')
  return isIP(said) ? said : bare(req.socket.remoteAddress ?? '')
}

/** Without the port that some proxies add, and IPv4 as itself. */
function bare(address: string): string {
  return address
    .replace(/^\[(.*)\](?::\d+)?$/, '$1')
    .replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/i, '')
}
