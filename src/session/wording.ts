import type { Response } from 'express'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import { Refusal } from '../web/errors.ts'
import type { Key } from '../web/i18n.ts'

const signInSentences: Record<string, Key> = {
  INVALID_CREDENTIALS: 'session.wrong_password',
  USER_NOT_ACTIVE: 'session.disabled',
  BACKEND_MODE_ADMIN_ONLY: 'session.backend_mode',
  TURNSTILE_VERIFICATION_FAILED: 'session.captcha_failed',
  TOTP_INVALID_CODE: 'session.code_wrong',
}

/** What is told of it: the status of the answer, and a sentence. */
interface Wording {
  status: number
  key: Key
  params?: Record<string, unknown>
}

/** Why nobody was signed in. Sets `Retry-After` where it is too early; throws what is no refusal. */
export function wordSignInFailure(error: unknown, res: Response): Wording {
  if (error instanceof Refusal && error.status === 409) return { status: 409, key: error.key }
  if (error instanceof Refusal) return limited(res, error.retryAfter ?? 60)
  if (error instanceof GatewayError) return wordOutage(error)
  if (!(error instanceof PanelError)) throw error
  if (error.status === 429 && error.code === 'TOTP_TOO_MANY_ATTEMPTS')
    return { status: 429, key: 'session.code_too_many' }
  if (error.status === 429) {
    const wait = error.retryAt ? (error.retryAt.getTime() - Date.now()) / 1000 : 60
    return limited(res, Math.max(1, Math.ceil(wait)))
  }
  if (error.status >= 500) return { status: 503, key: 'session.gateway_down' }
  if (isAboutEmail(error)) return { status: 422, key: 'session.email_invalid' }
  const key = signInSentences[error.code]
  return key
    ? { status: error.status, key }
    : { status: error.status, key: 'session.login_failed', params: { detail: error.message } }
}

/** Why the gateway does not answer. */
export function wordOutage(error: unknown): Wording {
  const address = error instanceof GatewayError ? error.facts.movedTo : undefined
  if (address) return { status: 503, key: 'session.gateway_moved', params: { address } }
  return { status: 503, key: 'session.gateway_down' }
}

/** `Invalid request: … Error:Field validation for 'Email' failed …` */
function isAboutEmail({ status, code, message }: PanelError): boolean {
  return status === 400 && !code && /'Email'/.test(message)
}

function limited(res: Response, seconds: number): Wording {
  res.set('Retry-After', String(seconds))
  return { status: 429, key: 'session.rate_limited', params: { seconds } }
}
