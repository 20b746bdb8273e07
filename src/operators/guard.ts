import type { RequestHandler } from 'express'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { type SignedIn, setRole } from '../session/queries.ts'
import { hadSession } from '../session/session-data.ts'
import { withAccessToken } from '../session/tokens.ts'
import { Refusal } from '../web/errors.ts'

/** For so long what the gateway said is believed of who only looks. */
const BELIEVED_MS = 30_000
const REMEMBERED = 1000

/** By sign-in: whether it is an operator's, and until when that is believed. */
const heard = new Map<string, { isOperator: Promise<boolean>; until: number }>()

/**
 * The lock of what operators see and do: to everybody else there is no such address. Who does something is asked after
 * anew. `typed` as of `requireSignIn`.
 */
export function requireOperator(deps: Deps, typed: readonly string[] = []): RequestHandler[] {
  const isPerson = requireSignIn(deps, typed)
  return [
    (req, res, next) => {
      // Whose sign-in has ended may come back; a stranger is not told that there is something to come to.
      if (!res.locals.signedIn && !hadSession(req)) throw new Refusal(404, 'errors.not_found')
      return isPerson(req, res, next)
    },
    async (req, res, next) => {
      const looks = req.method === 'GET' || req.method === 'HEAD'
      if (!(await isOperator(deps, signedIn(res), looks))) throw new Refusal(404, 'errors.not_found')
      next()
    },
  ]
}

/**
 * Whether the gateway gives this person the role `admin`, whatever it was at the sign-in. `looks`: they change nothing, so
 * that an answer of the last half minute will do. Throws `SignedOut`, `PanelError` or `GatewayError`: nobody is an operator
 * on our word.
 */
export async function isOperator(deps: Deps, who: SignedIn | undefined, looks = true): Promise<boolean> {
  if (who?.role !== 'admin') return false
  const known = heard.get(who.signInId)
  if (looks && known && known.until > Date.now()) return known.isOperator
  if (heard.size >= REMEMBERED) heard.clear()
  const asking = ask(deps, who)
  heard.set(who.signInId, { isOperator: asking, until: Date.now() + BELIEVED_MS })
  asking.catch(() => heard.delete(who.signInId))
  return asking
}

async function ask(deps: Deps, who: SignedIn): Promise<boolean> {
  const { isAdmin } = await withAccessToken(deps, who.signInId, (token, caller) => deps.gateway.profile(caller, token))
  if (!isAdmin) await setRole(deps.db, who.userId, 'user')
  return isAdmin
}
