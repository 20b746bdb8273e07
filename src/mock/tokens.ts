import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { MockState, User } from './state.ts'

interface Claims {
  user_id: number
  email: string
  role: string
  token_version: number
  sid: string
  bnd: string
  exp: number
  iat: number
  nbf: number
}

/** A JWT signed with HS256, as the panel issues them. */
export function issueAccessToken(state: MockState, user: User, sid: string, binding: string): string {
  const now = Math.floor(Date.now() / 1000)
  const claims: Claims & { jti: string } = {
    user_id: user.id,
    email: user.email,
    role: user.role,
    token_version: user.tokenVersion,
    sid,
    bnd: binding,
    exp: now + state.settings.accessTokenSeconds,
    iat: now,
    nbf: now,
    jti: randomBytes(6).toString('hex'),
  }
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  const token = `${signed}.${signature(state, signed)}`
  user.accessTokens.push(token)
  state.secrets.add(token)
  return token
}

/** The claims of a token with a good signature, expired or not; null for anything else. */
export function readAccessToken(state: MockState, token: string): Claims | null {
  const [header, payload, mark] = token.split('.')
  if (!header || !payload || !mark) return null
  const right = Buffer.from(signature(state, `${header}.${payload}`))
  const given = Buffer.from(mark)
  if (right.length !== given.length || !timingSafeEqual(right, given)) return null
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims
}

export function issueRefreshToken(state: MockState, userId: number, sid: string, binding: string): string {
  const token = `rt_${randomBytes(32).toString('hex')}`
  state.refreshTokens.set(token, { userId, sid, binding, expiresAt: Date.now() + 30 * 86_400_000 })
  state.secrets.add(token)
  return token
}

export function issueTempToken(state: MockState, userId: number): string {
  const token = randomBytes(24).toString('base64url')
  state.tempTokens.set(token, { userId, expiresAt: Date.now() + 5 * 60_000 })
  state.secrets.add(token)
  return token
}

function part(value: unknown) {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function signature(state: MockState, signed: string) {
  return createHmac('sha256', state.jwtSecret).update(signed).digest('base64url')
}
