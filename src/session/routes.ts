import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import type { Caller, Session } from '../gateway/client.ts'
import { PanelError } from '../gateway/errors.ts'
import { Secret } from '../secrets/secret.ts'
import { Refusal } from '../web/errors.ts'
import type { Key } from '../web/i18n.ts'
import { localPath, parseId } from '../web/parse.ts'
import { readCookies } from '../web/preferences.ts'
import { pageBehind, pageOf, render } from '../web/render.ts'
import { isVisible } from '../web/text.ts'
import { halfWidth } from '../web/typed.ts'
import { callerOf } from './caller.ts'
import { requireSignIn, signedIn } from './guard.ts'
import { handOverRoutes, showOwnWindow } from './hand-over.ts'
import * as queries from './queries.ts'
import { forget, hadSession, regenerate } from './session-data.ts'
import { signInLimits } from './sign-in-limits.ts'
import {
  openRefreshToken,
  openTwoFactorToken,
  SignedOut,
  sealTokens,
  sealTwoFactorToken,
  withAccessToken,
} from './tokens.ts'
import type { Captcha } from './view.ts'
import { wordOutage, wordSignInFailure } from './wording.ts'

const TWO_FACTOR_MS = 5 * 60_000
const TURNSTILE = 'https://challenges.cloudflare.com'

/** What the sign-in page says to somebody who has just signed out: in this browser, everywhere, only here, or for good. */
const notices = new Map<string, Key>([
  ['this', 'session.signed_out'],
  ['all', 'account.sessions_ended'],
  ['here', 'account.sessions_ended_here_only'],
  ['gone', 'session.gone'],
])

const Credentials = z.object({
  email: z.string().trim().max(320).default(''),
  password: z.string().max(1000).default(''),
  next: z.string().optional().catch(undefined),
  'cf-turnstile-response': z.string().max(4000).optional(),
})

/** Sign-in in one or two steps, sign-out, and the sign-ins of other browsers. */
export function sessionRoutes(
  deps: Deps,
  onSignIn: (session: Session, caller: Caller, timeZone: string) => Promise<void>,
): Router {
  const router = Router()
  const count = signInLimits(deps)

  router.use(handOverRoutes(deps, enter))

  router.get('/login', async (req, res) => {
    const next = localPath(req.query.next, '/')
    if (res.locals.signedIn) return res.redirect(303, next)
    const expired = req.session.keptForm ? 'session.expired' : 'session.expired_plain'
    const notice = req.query.expired ? expired : notices.get(req.query.signed_out as string)
    // A sign-in would not outlast the next page there, or end in a circle.
    if (pageOf(res).framed) {
      const sentence = pageOf(res).t(req.query.expired ? 'session.expired_framed' : (notice ?? 'session.from_menu'))
      return showOwnWindow(res, { sentence, path: req.originalUrl, framed: true })
    }
    await showLogin(deps, res, { email: '', next, notice: notice ? pageOf(res).t(notice) : null })
  })

  router.post('/login', async (req, res) => {
    const form = Credentials.safeParse(req.body ?? {})
    const {
      email,
      password,
      next,
      'cf-turnstile-response': turnstileToken,
    } = form.success ? form.data : Credentials.parse({})
    const refuse = (status: number, key: Key, params?: Record<string, unknown>) =>
      showLogin(deps, res.status(status), { email, next: localPath(next, '/'), error: pageOf(res).t(key, params) })
    // The gateway knows best which addresses it takes: those of other alphabets too.
    if (!/^[^@\s].*@/.test(email)) return refuse(422, 'session.email_invalid')
    if (!password) return refuse(422, 'session.password_missing')

    const caller = callerOf(req)
    try {
      await count(req, email)
      const answer = await deps.gateway.login(caller, { email, password: new Secret(password), turnstileToken })
      if (answer.kind === 'signed_in') return await enter(req, res, caller, answer, localPath(next, '/'))
      await endCurrent(res)
      await regenerate(req)
      req.session.twoFactor = {
        email,
        maskedEmail: answer.maskedEmail,
        sealedToken: sealTwoFactorToken(deps, answer.tempToken),
        expiresAt: Date.now() + TWO_FACTOR_MS,
        next: localPath(next, '/'),
      }
      res.redirect(303, '/login/2fa')
    } catch (error) {
      const { status, key, params } = wordSignInFailure(error, res)
      await refuse(status, key, params)
    }
  })

  router.get('/login/2fa', (req, res) => {
    const pending = req.session.twoFactor
    if (!pending) return res.redirect(303, '/login')
    render(res, 'session/code', { maskedEmail: pending.maskedEmail, error: null, next: pending.next })
  })

  router.post('/login/2fa', async (req, res) => {
    const pending = req.session.twoFactor
    if (!pending) return res.redirect(303, '/login')
    const { t } = pageOf(res)
    const code = halfWidth(String(req.body?.code ?? '')).replace(/\s/g, '')
    const again = (status: number, key: Key, params?: Record<string, unknown>) =>
      render(res.status(status), 'session/code', {
        maskedEmail: pending.maskedEmail,
        error: t(key, params),
        next: pending.next,
      })
    if (pending.expiresAt < Date.now()) {
      delete req.session.twoFactor
      return showLogin(deps, res.status(401), {
        email: pending.email,
        next: pending.next,
        error: t('session.code_expired'),
      })
    }
    if (!/^\d{6}$/.test(code)) return again(422, 'session.code_wrong')

    const caller = callerOf(req)
    try {
      await count(req, pending.email)
      const token = openTwoFactorToken(deps, pending.sealedToken)
      await enter(req, res, caller, await deps.gateway.loginWithCode(caller, token, code), pending.next)
    } catch (error) {
      if (error instanceof PanelError && error.status === 400 && !error.code) {
        delete req.session.twoFactor
        return showLogin(deps, res.status(401), {
          email: pending.email,
          next: pending.next,
          error: t('session.code_expired'),
        })
      }
      const { status, key, params } = wordSignInFailure(error, res)
      again(status, key, params)
    }
  })

  async function enter(req: Request, res: Response, caller: Caller, session: Session, next: string): Promise<void> {
    const { user, tokens } = session
    const signInId = await deps.db.transaction(async tx => {
      const isHere = await queries.upsertUser(tx, { ...user, name: user.username })
      if (!isHere) throw new Refusal(409, 'session.leaving')
      return queries.insertSignIn(tx, user.id, sealTokens(deps, user.id, tokens), caller)
    })
    await endCurrent(res)
    await regenerate(req)
    const { lastUserId = user.id } = req.session
    if (lastUserId !== user.id) delete req.session.keptForm
    Object.assign(req.session, { signInId, lastUserId: user.id })
    await onSignIn(session, caller, readCookies(req).tz ?? '')
    res.redirect(303, next)
  }

  router.post('/logout', async (req, res) => {
    await endCurrent(res)
    if (hadSession(req)) await forget(req, res, deps.config)
    res.redirect(303, '/login?signed_out=this')
  })

  router.post('/kept/delete', requireSignIn(deps), async (req, res) => {
    delete req.session.keptForm
    res.redirect(303, pageBehind(req))
  })

  async function endCurrent(res: Response): Promise<void> {
    const who = res.locals.signedIn as queries.SignedIn | undefined
    const ended = who && (await queries.deleteSignIn(deps.db, who.userId, who.signInId))
    if (ended) await forgetAtGateway(deps, ended)
  }

  const mine = requireSignIn(deps)

  router.post('/account/sessions/end-all', mine, async (req, res) => {
    const { userId, signInId } = signedIn(res)
    let how = 'all'
    try {
      await withAccessToken(deps, signInId, (token, caller) => deps.gateway.revokeAllSessions(caller, token))
    } catch (error) {
      deps.log.warn({ err: error, user: userId }, 'the gateway did not end its sessions')
      how = 'here'
    }
    // Whatever the gateway says: who presses this button must not stay signed in here.
    await queries.deleteSignIns(deps.db, userId)
    await forget(req, res, deps.config)
    res.redirect(303, `/login?signed_out=${how}`)
  })

  router.post('/account/sessions/:id/end', mine, async (req, res) => {
    const { userId, signInId } = signedIn(res)
    const ended = await queries.deleteSignIn(deps.db, userId, parseId(req.params.id))
    if (!ended) throw new Refusal(404, 'errors.not_found')
    await forgetAtGateway(deps, ended)
    if (ended.id === signInId) throw new SignedOut('ended by its owner')
    res.redirect(303, '/account')
  })

  return router
}

async function showLogin(
  deps: Deps,
  res: Response,
  form: { email: string; next: string; error?: string; notice?: string | null },
): Promise<void> {
  const [settings, outage] = await deps.gateway.settings().then(
    known => [known, null] as const,
    (error: unknown) => [null, wordOutage(error)] as const,
  )
  const captcha: Captcha =
    settings?.turnstileEnabled && settings.turnstileSiteKey
      ? { kind: 'turnstile', siteKey: settings.turnstileSiteKey }
      : { kind: settings?.tencentCaptchaEnabled || settings?.aliyunCaptchaEnabled ? 'unsupported' : 'none' }
  render(
    res,
    'session/login',
    {
      email: form.email,
      next: form.next,
      error: form.error ?? (outage && pageOf(res).t(outage.key, outage.params)),
      notice: form.notice ?? null,
      captcha,
      gatewayUrl: deps.config.upstream,
      siteName:
        settings?.siteName && isVisible(settings.siteName) ? settings.siteName : new URL(deps.config.upstream).host,
    },
    captcha.kind === 'turnstile' ? { 'script-src': [TURNSTILE], 'frame-src': [TURNSTILE] } : {},
  )
}

/** Ends the sign-in at the gateway as far as it can be: its refresh token. Never in the way of ending it here. */
async function forgetAtGateway(deps: Deps, signIn: queries.SignIn): Promise<void> {
  try {
    const refreshToken = openRefreshToken(deps, signIn)
    if (!refreshToken) return
    await deps.gateway.logout({ address: signIn.address, userAgent: signIn.userAgent }, refreshToken)
  } catch (error) {
    deps.log.warn({ err: error, signIn: signIn.id }, 'the gateway did not hear of a sign-out')
  }
}
