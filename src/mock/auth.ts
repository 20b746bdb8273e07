import { randomBytes } from 'node:crypto'
import { type Exchange, fields, text } from './exchange.ts'
import { limiterRefusal, middlewareRefusal, panelRefusal, sendData } from './replies.ts'
import { bindingOf, type MockState, type User, userById, userOf } from './state.ts'
import { issueAccessToken, issueRefreshToken, issueTempToken, readAccessToken } from './tokens.ts'
import { profileOf, userOnTheWire } from './user-on-the-wire.ts'

const totpCode = '123456'
const wrongCodesAllowed = 5
const wrongCodesLastMs = 15 * 60_000

export function login(exchange: Exchange) {
  const { state, res } = exchange
  limit(exchange, 'login', state.settings.loginsPerMinute)
  const body = fields(exchange.json)
  const email = text(body.email).trim()
  const password = text(body.password)
  if (password) state.secrets.add(password)
  if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) {
    throw panelRefusal(
      400,
      "Invalid request: Key: 'LoginRequest.Email' Error:Field validation for 'Email' failed on the 'email' tag",
    )
  }
  if (!password) {
    throw panelRefusal(
      400,
      "Invalid request: Key: 'LoginRequest.Password' Error:Field validation for 'Password' failed on the 'required' tag",
    )
  }
  checkCaptcha(state, body)

  const user = userOf(state, email)
  if (user.act === 'limited') throw limiterRefusal(42)
  if (user.act === 'wrong' || password === 'wrong') {
    throw panelRefusal(401, 'invalid email or password', 'INVALID_CREDENTIALS')
  }
  if (user.status !== 'active') throw panelRefusal(403, 'user is not active', 'USER_NOT_ACTIVE')
  if (state.settings.site.backend_mode_enabled && user.role !== 'admin') {
    throw panelRefusal(403, 'Backend mode is active. Only admin login is allowed.', 'BACKEND_MODE_ADMIN_ONLY')
  }
  if (user.totp && state.settings.site.totp_enabled) {
    return sendData(res, {
      requires_2fa: true,
      temp_token: issueTempToken(state, user.id),
      user_email_masked: masked(user.email),
    })
  }
  sendData(res, signIn(exchange, user))
}

export function loginWithCode(exchange: Exchange) {
  const { state, res } = exchange
  limit(exchange, 'login/2fa', state.settings.loginsPerMinute)
  const body = fields(exchange.json)
  const code = text(body.totp_code)
  if (code.length !== 6) {
    throw panelRefusal(
      400,
      "Invalid request: Key: 'Login2FARequest.TotpCode' Error:Field validation for 'TotpCode' failed on the 'len' tag",
    )
  }
  const pending = state.tempTokens.get(text(body.temp_token))
  const user = pending && userById(state, pending.userId)
  if (!pending || !user || pending.expiresAt < Date.now()) throw panelRefusal(400, 'Invalid or expired 2FA session')
  if (!user.totp) throw panelRefusal(400, 'totp is not set up', 'TOTP_NOT_SETUP')
  // By user, so that a new sign-in does not help.
  const wrong = state.wrongCodes.get(user.id)
  const failures = wrong && wrong.until > Date.now() ? wrong.failures : 0
  if (failures >= wrongCodesAllowed) throw panelRefusal(429, 'too many totp attempts', 'TOTP_TOO_MANY_ATTEMPTS')
  if (code !== totpCode) {
    state.wrongCodes.set(user.id, { failures: failures + 1, until: Date.now() + wrongCodesLastMs })
    throw panelRefusal(400, 'invalid totp code', 'TOTP_INVALID_CODE')
  }
  state.tempTokens.delete(text(body.temp_token))
  state.wrongCodes.delete(user.id)
  sendData(res, signIn(exchange, user))
}

/** The old token dies as soon as it is seen: of two parallel refreshes one gets 401. */
export function refresh(exchange: Exchange) {
  const { state, res } = exchange
  limit(exchange, 'refresh', 30)
  const token = text(fields(exchange.json).refresh_token)
  if (token) state.secrets.add(token)
  const known = state.refreshTokens.get(token)
  state.refreshTokens.delete(token)
  const user = known && userById(state, known.userId)
  if (!known || !user) throw panelRefusal(401, 'invalid refresh token', 'REFRESH_TOKEN_INVALID')
  if (known.expiresAt < Date.now()) throw panelRefusal(401, 'refresh token expired', 'REFRESH_TOKEN_EXPIRED')
  if (user.status !== 'active') throw panelRefusal(403, 'user is not active', 'USER_NOT_ACTIVE')
  if (state.settings.sessionBinding && known.binding !== bindingOf(exchange.ip, exchange.userAgent)) {
    throw panelRefusal(401, 'Session network fingerprint changed, please login again', 'SESSION_BINDING_MISMATCH')
  }
  sendData(res, tokensFor(state, user, known.sid, known.binding))
}

/** Only the refresh token dies: the access token stays good until it expires. */
export function logout({ state, json, res }: Exchange) {
  state.refreshTokens.delete(text(fields(json).refresh_token))
  sendData(res, { message: 'Logged out successfully' })
}

/** Takes the refresh tokens only: access tokens live until they expire. */
export function revokeAllSessions(exchange: Exchange) {
  const user = signedIn(exchange)
  for (const [token, { userId }] of exchange.state.refreshTokens) {
    if (userId === user.id) exchange.state.refreshTokens.delete(token)
  }
  sendData(exchange.res, { message: 'All sessions have been revoked. Please log in again.' })
}

export function me(exchange: Exchange) {
  sendData(exchange.res, { ...profileOf(signedIn(exchange)), run_mode: 'standard' })
}

/** The JWT middleware: the user of the bearer token, or its refusal. */
export function signedIn(exchange: Exchange, options: { heavy?: boolean } = {}): User {
  const { state } = exchange
  const header = exchange.req.headers.authorization
  if (!header) throw middlewareRefusal(401, 'UNAUTHORIZED', 'Authorization header is required')
  const [scheme, token, ...more] = header.split(' ')
  if (scheme?.toLowerCase() !== 'bearer' || token === undefined || more.length > 0) {
    throw middlewareRefusal(401, 'INVALID_AUTH_HEADER', "Authorization header format must be 'Bearer {token}'")
  }
  if (!token) throw middlewareRefusal(401, 'EMPTY_TOKEN', 'Token cannot be empty')
  state.secrets.add(token)
  const claims = readAccessToken(state, token)
  if (!claims) throw middlewareRefusal(401, 'INVALID_TOKEN', 'Invalid token')
  if (claims.exp * 1000 <= Date.now() || state.expiredAccessTokens.has(token)) {
    throw middlewareRefusal(401, 'TOKEN_EXPIRED', 'Token has expired')
  }
  const user = userById(state, claims.user_id)
  if (!user) throw middlewareRefusal(401, 'USER_NOT_FOUND', 'User not found')
  if (user.status !== 'active') throw middlewareRefusal(401, 'USER_INACTIVE', 'User account is not active')
  if (claims.token_version !== user.tokenVersion) {
    throw middlewareRefusal(401, 'TOKEN_REVOKED', 'Token has been revoked (password changed)')
  }
  if (state.settings.sessionBinding && claims.bnd !== bindingOf(exchange.ip, exchange.userAgent)) {
    throw middlewareRefusal(401, 'SESSION_BINDING_MISMATCH', 'Session network fingerprint changed, please login again')
  }
  if (state.settings.site.backend_mode_enabled && user.role !== 'admin') {
    throw panelRefusal(403, 'Backend mode is active. User self-service is disabled.')
  }
  if (user.role !== 'admin' && state.settings.panelLimits) {
    limitUser(exchange, user, 'panel', 240)
    if (options.heavy) limitUser(exchange, user, 'usage', 60)
  }
  return user
}

/** The user a request seems to come from, without any check; for the ledger. */
export function seemsToBe({ state, req }: Exchange): User | null {
  const claims = readAccessToken(state, req.headers.authorization?.split(' ')[1] ?? '')
  return (claims && userById(state, claims.user_id)) ?? null
}

function signIn({ state, ip, userAgent }: Exchange, user: User) {
  const sid = randomBytes(12).toString('hex')
  return { ...tokensFor(state, user, sid, bindingOf(ip, userAgent)), user: userOnTheWire(user) }
}

function tokensFor(state: MockState, user: User, sid: string, binding: string) {
  return {
    access_token: issueAccessToken(state, user, sid, binding),
    refresh_token: issueRefreshToken(state, user.id, sid, binding),
    expires_in: state.settings.accessTokenSeconds,
    token_type: 'Bearer',
  }
}

function checkCaptcha(state: MockState, body: Record<string, unknown>) {
  const { site } = state.settings
  if (site.turnstile_enabled && !site.turnstile_site_key) {
    throw panelRefusal(503, 'turnstile not configured', 'TURNSTILE_NOT_CONFIGURED')
  }
  if (site.turnstile_enabled || site.aliyun_captcha_enabled) {
    const token = text(body.turnstile_token)
    if (!token || token === 'bad' || state.usedCaptchaTokens.has(token)) {
      throw panelRefusal(400, 'turnstile verification failed', 'TURNSTILE_VERIFICATION_FAILED')
    }
    state.usedCaptchaTokens.add(token)
  }
  if (site.tencent_captcha_enabled && !(body.tencent_captcha_ticket && body.tencent_captcha_randstr)) {
    throw panelRefusal(400, 'tencent captcha verification failed', 'TENCENT_CAPTCHA_VERIFICATION_FAILED')
  }
}

/** Fixed windows of one minute by address, on the sign-in routes. */
function limit({ state, ip }: Exchange, bucket: string, perMinute: number) {
  const wait = state.settings.rateLimits ? tooMany(state, `${bucket} ${ip}`, perMinute) : 0
  if (wait) throw limiterRefusal(wait)
}

function limitUser({ state }: Exchange, user: User, bucket: string, perMinute: number) {
  const wait = tooMany(state, `${bucket} ${user.id}`, perMinute)
  if (!wait) return
  throw middlewareRefusal(429, 'RATE_LIMITED', 'Too many requests, please slow down and try again later', {
    'Retry-After': String(wait),
  })
}

/** Counts a hit; the seconds to wait when there were too many, else 0. */
function tooMany(state: MockState, name: string, perMinute: number): number {
  const window = Math.floor(Date.now() / 60_000)
  const seen = state.limiterHits.get(name)
  const hits = seen?.window === window ? seen.hits + 1 : 1
  state.limiterHits.set(name, { window, hits })
  return hits > perMinute ? 60 - (Math.floor(Date.now() / 1000) % 60) : 0
}

function masked(email: string) {
  const [name = '', domain = ''] = email.split('@')
  return `${name[0]}***${name.at(-1)}@${domain}`
}
