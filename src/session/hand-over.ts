import { createHash, randomBytes } from 'node:crypto'
import { type CookieOptions, type Request, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import type { Caller, Session } from '../gateway/client.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import { Refusal } from '../web/errors.ts'
import type { Key } from '../web/i18n.ts'
import { networkOf } from '../web/network.ts'
import { localPath } from '../web/parse.ts'
import { preferenceCookie } from '../web/preferences.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render } from '../web/render.ts'
import { callerOf } from './caller.ts'
import { isFramed, keepInFrame } from './frame.ts'
import { requireSignIn, signedIn } from './guard.ts'
import { HAND_OVER, type Handed, handedTo } from './handed.ts'
import type { SignedIn } from './queries.ts'
import type { Pending } from './session-data.ts'
import { insertTicket, takeTicket } from './ticket-queries.ts'
import { openHandedToken, sealHandedToken } from './tokens.ts'

const PENDING_MS = 5 * 60_000
const TICKET_SECONDS = 60

/** Why somebody who came by the gateway's menu is not signed in. */
const failures: Record<string, Key> = {
  refused: 'session.handed_refused',
  gateway: 'session.gateway_down',
  busy: 'session.handed_busy',
}

/**
 * Sign-in by the gateway's menu: it opens us in a frame, or in a tab, with the person's access token in the address. The
 * token is proven at the gateway and put away sealed; the browser goes on to an address that has nothing to hide, and
 * shows there that it keeps our cookie. Who does not provably come from the gateway's site, or is somebody else here, is
 * asked before anything changes: otherwise any page could sign people in as anybody.
 */
export function handOverRoutes(
  deps: Deps,
  enter: (req: Request, res: Response, caller: Caller, session: Session, next: string) => Promise<void>,
): Router {
  const router = Router()
  const { embedOrigin, limits } = deps.config
  const tries = createRateLimit(deps.db, {
    name: 'hand-over',
    points: limits.signInsPerMinute,
    seconds: 60,
    refusal: 'session.rate_limited',
  })

  router.use(HAND_OVER, (_req, res, next) => {
    res.set({ 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-store' })
    next()
  })

  router.get('/hand-over', async (req, res) => {
    const handed = handedTo(res)
    if (handed) return res.redirect(303, embedOrigin ? await take(req, res, handed) : handed.next)
    const pending = pendingOf(req)
    const current = res.locals.signedIn as SignedIn | undefined
    const failure = typeof req.query.failed === 'string' && failures[req.query.failed]
    if (failure) return stay(req, res, failure, '/')
    if (!pending && current) return res.redirect(303, '/')
    if (!pending) return isFramed(req) ? stay(req, res, 'session.no_cookie', '/') : res.redirect(303, '/login')
    if (pending.isProven && (!current || current.userId === pending.userId)) return arrive(req, res, pending)
    ask(res, pending, current)
  })

  router.post('/hand-over', async (req, res) => {
    const pending = pendingOf(req)
    if (!pending) return res.redirect(303, '/')
    await arrive(req, res, pending)
  })

  /** What to do next is the answer: an address of ours. */
  async function take(req: Request, res: Response, { token, theme, language, next }: Handed): Promise<string> {
    const framed = isFramed(req)
    if (framed) keepInFrame(req)
    const cookie: CookieOptions = preferenceCookie(res, deps.config)
    if (theme) res.cookie('theme', theme, cookie)
    if (language) res.cookie('lang', language, cookie)
    try {
      const caller = callerOf(req)
      await tries.consume(networkOf(caller.address))
      const { user } = await deps.gateway.handedOver(caller, token)
      const current = res.locals.signedIn as SignedIn | undefined
      // Theirs is good for longer.
      if (current?.userId === user.id && current.renewable) return next
      req.session.handedOver = {
        userId: user.id,
        email: user.email,
        sealedToken: sealHandedToken(deps, user.id, token),
        isProven: framed && URL.parse(req.get('Referer') ?? '')?.origin === embedOrigin,
        expiresAt: Date.now() + PENDING_MS,
        next,
      }
      return HAND_OVER
    } catch (error) {
      return `${HAND_OVER}?failed=${failureOf(error)}`
    }
  }

  async function arrive(req: Request, res: Response, pending: Pending): Promise<void> {
    const caller = callerOf(req)
    delete req.session.handedOver
    try {
      const token = openHandedToken(deps, pending.userId, pending.sealedToken)
      await enter(req, res, caller, await deps.gateway.handedOver(caller, token), pending.next)
    } catch (error) {
      if (error instanceof Refusal) throw error
      res.redirect(303, `${HAND_OVER}?failed=${failureOf(error)}`)
    }
  }

  // A window that a frame opens has no cookie of that frame: it brings a ticket, good once and for a minute.
  router.post('/hand-over/window', requireSignIn(deps), async (req, res) => {
    const ticket = randomBytes(24).toString('base64url')
    await insertTicket(deps.db, {
      hash: hash(ticket),
      signInId: signedIn(res).signInId,
      path: localPath(req.body?.to, '/'),
      seconds: TICKET_SECONDS,
    })
    res.type('text').send(`/hand-over/window/${ticket}`)
  })

  router.get('/hand-over/window/:ticket', async (req, res) => {
    const taken = await takeTicket(deps.db, hash(req.params.ticket))
    if (!taken) return res.redirect(303, '/login')
    const { path, userId, email, accessToken } = taken
    const current = res.locals.signedIn as SignedIn | undefined
    if (current?.userId === userId) return res.redirect(303, path)
    req.session.handedOver = {
      userId,
      email,
      sealedToken: accessToken.toString('base64'),
      // Opened by a page of ours, and not by whoever sends people a ticket of their own.
      isProven: req.get('Sec-Fetch-Site') === 'same-origin',
      expiresAt: Date.now() + PENDING_MS,
      next: path,
    }
    res.redirect(303, HAND_OVER)
  })

  function ask(res: Response, { email }: Pending, current: SignedIn | undefined): void {
    render(res, 'session/continue', { email, current: current?.email ?? null })
  }

  function stay(req: Request, res: Response, reason: Key, path: string): void {
    showOwnWindow(res, { sentence: pageOf(res).t(reason), path, framed: isFramed(req) })
  }

  return router
}

/** Where nobody can be signed in: another window of this site is its own. */
export function showOwnWindow(res: Response, data: { sentence: string; path: string; framed: boolean }): void {
  render(res, 'session/own-window', data)
}

function pendingOf(req: Request): Pending | null {
  const pending = req.session.handedOver
  return pending && pending.expiresAt > Date.now() ? pending : null
}

function failureOf(error: unknown): string {
  if (error instanceof Refusal || (error instanceof PanelError && error.status === 429)) return 'busy'
  if (error instanceof PanelError) return 'refused'
  if (error instanceof GatewayError) return 'gateway'
  throw error
}

function hash(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest()
}
