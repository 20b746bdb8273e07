import type { Request } from 'express'
import type { Deps } from '../deps.ts'
import { networkOf } from '../web/network.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { callerOf } from './caller.ts'
import { knownUserId } from './known-browser.ts'
import { findEmail } from './queries.ts'

/**
 * Counts the tries of a sign-in. One sender gets so many, and fewer at one e-mail; whoever tries somebody's e-mail from
 * everywhere stops others there, but not its owner's own browser, which has a count of its own. Throws `Refusal` 429.
 */
export function signInLimits(deps: Pick<Deps, 'db' | 'config'>) {
  const perMinute = (name: string, points: number) =>
    createRateLimit(deps.db, { name, points, seconds: 60, refusal: 'session.rate_limited' })
  const ofBrowser = perMinute('sign-in-browser', 10)
  const perAddress = perMinute('sign-in', deps.config.limits.signInsPerMinute)
  const perPair = perMinute('sign-in-pair', 20)
  const perEmail = perMinute('sign-in-email', 100)

  return async (req: Request, typed: string): Promise<void> => {
    const email = typed.toLowerCase()
    const userId = knownUserId(req, deps.config)
    if (userId !== null && (await findEmail(deps.db, userId))?.toLowerCase() === email) {
      return ofBrowser.consume(String(userId))
    }
    const network = networkOf(callerOf(req).address)
    await perAddress.consume(network)
    await perPair.consume(`${network} ${email}`)
    await perEmail.consume(email)
  }
}
