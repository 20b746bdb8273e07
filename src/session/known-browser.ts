import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Request, Response } from 'express'
import type { Config } from '../config.ts'
import { readCookies } from '../web/preferences.ts'
import { sessionCookie } from './session-data.ts'

const YEAR_MS = 365 * 86_400_000

/** Lets a browser say later who signed in here: nothing but the id of that person, signed. */
export function rememberBrowser(res: Response, config: Config, userId: number): void {
  const [current = ''] = config.sessionSecrets
  res.cookie(nameOf(config), `${userId}.${sign(current, userId)}`, {
    ...sessionCookie(config).attributes,
    maxAge: YEAR_MS,
  })
}

/** Who signed in last with this browser, however long ago; null where nobody did. It proves nothing but that. */
export function knownUserId(req: Request, config: Config): number | null {
  const [, id = '', signature = ''] = /^(\d{1,15})\.([\w-]{43})$/.exec(readCookies(req)[nameOf(config)] ?? '') ?? []
  const given = Buffer.from(signature)
  const isOurs = config.sessionSecrets.some(secret => {
    const right = Buffer.from(sign(secret, Number(id)))
    return given.length === right.length && timingSafeEqual(given, right)
  })
  return isOurs ? Number(id) : null
}

function sign(secret: string, userId: number): string {
  return createHmac('sha256', secret).update(`browser of user ${userId}`).digest('base64url')
}

function nameOf(config: Config): string {
  return sessionCookie(config).name.replace('sid', 'known')
}
