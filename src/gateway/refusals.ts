import { parseStorable } from '../db/storable.ts'
import type { Secret } from '../secrets/secret.ts'
import { type FailureFacts, type FailureReason, GatewayError } from './errors.ts'
import { scrub } from './scrub.ts'
import { type WindowName, windowIn } from './windows.ts'

const LONGEST_MESSAGE = 8_000

/** What a refusal says, in whichever of the gateway's shapes it came. */
export interface GatewayRefusal {
  /** `reason`, or the string `code`, top level or inside `error`. */
  code: string
  /** `error.type`. */
  type: string
  message: string
  /** `error.param`: the request field. */
  param: string
  /**
   * `named`: the gateway's own JSON with a type or a word for a code; only that says anything about what happened behind it.
   * `plain`: JSON without either, as the panel's refusals and a recovered crash. `page`: something else, perhaps of a proxy.
   */
  shape: 'named' | 'plain' | 'page'
}

/** Where in the call the refusal came, for the verdict on money. */
export interface RefusalContext {
  /** HTTP status; 200 for one inside a stream or behind whitespace. */
  status: number
  requestId?: string | undefined
  retryAt?: Date | undefined
  /** Where a redirect leads. */
  movedTo?: string | undefined
  /** Pictures that came before it. */
  completed?: number
  /** Whether the model was seen at work before it. */
  begun?: boolean
  /** Credentials of the call, kept out of the detail. */
  secrets?: readonly Secret[]
}

/** Reads a refusal from a parsed JSON value; null where it is none of the known shapes. */
export function readRefusal(value: unknown): GatewayRefusal | null {
  const body = fieldsOf(value)
  const inner = fieldsOf(body.response).error ? fieldsOf(fieldsOf(body.response).error) : fieldsOf(body.error)
  const outerCode = string(body.reason) || string(body.code)
  const refusal = {
    code: outerCode || string(inner.code),
    type: string(inner.type),
    message: string(body.message) || string(inner.message) || string(body.error),
    param: string(inner.param),
  }
  if (!refusal.code && !refusal.type && !refusal.message) return null
  return { ...refusal, shape: refusal.code || refusal.type ? 'named' : 'plain' }
}

export function parseRefusal(text: string): GatewayRefusal {
  try {
    const refusal = readRefusal(parseStorable(text))
    if (refusal) return refusal
  } catch {
    // A proxy's page, or the gateway's own "404 page not found".
  }
  return { code: '', type: '', message: text, param: '', shape: 'page' }
}

/**
 * Turns a refusal of a `/v1/**` call into the error the rest of the program knows.
 * The gateway bills pictures that it delivered: a refusal in its own words before any picture costs nothing; after one it
 * costs that picture; what a proxy in between says of a call that it had passed on proves nothing.
 */
export function refusalError(given: GatewayRefusal, context: RefusalContext): GatewayError {
  // A proxy's page may be a megabyte, and what it says is searched for many words.
  const refusal = { ...given, message: given.message.slice(0, LONGEST_MESSAGE) }
  const reason = context.movedTo ? 'gateway_moved' : reasonOf(refusal, context.status)
  const charged = chargedFor(refusal, context)
  const facts: FailureFacts = {
    charged,
    mayRetry: charged === 'no' && isTemporary(reason, refusal, context.status),
    field: reason === 'bad_request' ? fieldOf(refusal) : undefined,
    retryAt: context.retryAt,
    movedTo: context.movedTo,
    window: windowOf(refusal) ?? undefined,
    requestId: context.requestId,
    status: context.status,
    detail: context.movedTo ?? (scrub(refusal.message || refusal.code || refusal.type, context.secrets) || undefined),
  }
  return new GatewayError(reason, facts)
}

function chargedFor(
  refusal: GatewayRefusal,
  { status, completed = 0, begun = false }: RefusalContext,
): FailureFacts['charged'] {
  if (completed > 0) return 'yes'
  if (begun) return 'unknown'
  if (cutOff.has(status)) return 'unknown'
  if (refusal.shape === 'named') return status < 500 || isOfGateway(refusal) ? 'no' : 'unknown'
  return status >= 300 && status < 500 ? 'no' : 'unknown'
}

/** Never the gateway's: whoever answers so had passed the call on, and did not wait for its end. */
const cutOff: ReadonlySet<number> = new Set([408, 499, 504, 520, 521, 522, 523, 524])

/** A relay in between has words of its own for what it could not finish. */
function isOfGateway({ code, type }: GatewayRefusal): boolean {
  return Object.hasOwn(byCode, code) || Object.hasOwn(byType, type) || type === 'api_error' || limitTypes.has(type)
}

function isTemporary(reason: FailureReason, refusal: GatewayRefusal, status: number): boolean {
  if (reason === 'rate_limited' || reason === 'concurrency') return true
  if (reason === 'no_account') return refusal.shape === 'named'
  return status === 503 && refusal.shape === 'named' && (reason === 'upstream' || reason === 'gateway_down')
}

const byCode: Readonly<Record<string, FailureReason>> = {
  API_KEY_REQUIRED: 'key_invalid',
  INVALID_API_KEY: 'key_invalid',
  API_KEY_DISABLED: 'key_invalid',
  API_KEY_NOT_FOUND: 'key_invalid',
  USER_NOT_FOUND: 'account_inactive',
  USER_INACTIVE: 'account_inactive',
  USER_NOT_ACTIVE: 'account_inactive',
  ACCESS_DENIED: 'ip_denied',
  GROUP_DELETED: 'group_no_images',
  GROUP_DISABLED: 'group_no_images',
  GROUP_NOT_ALLOWED: 'group_no_images',
  SUBSCRIPTION_NOT_FOUND: 'subscription',
  SUBSCRIPTION_INVALID: 'subscription',
  USAGE_LIMIT_EXCEEDED: 'subscription',
  API_KEY_EXPIRED: 'key_expired',
  INSUFFICIENT_BALANCE: 'insufficient_balance',
  API_KEY_QUOTA_EXHAUSTED: 'key_quota',
  insufficient_quota: 'key_quota',
  INVALID_AUTH_RATE_LIMITED: 'rate_limited',
  RATE_LIMITED: 'rate_limited',
  API_KEY_AUTH_OVERLOADED: 'gateway_down',
  SERVICE_UNAVAILABLE: 'gateway_down',
  INTERNAL_ERROR: 'gateway_down',
  api_key_in_query_deprecated: 'bad_request',
  moderation_blocked: 'content_policy',
  content_policy_violation: 'content_policy',
  content_filter: 'content_policy',
  // The operator's account at the model's maker, not the user's: an outage for whoever reads it.
  billing_hard_limit_reached: 'upstream',
  account_deactivated: 'upstream',
}

const byType: Readonly<Record<string, FailureReason>> = {
  billing_error: 'insufficient_balance',
  billing_service_error: 'gateway_down',
  insufficient_quota: 'key_quota',
  content_policy_violation: 'content_policy',
  image_generation_user_error: 'content_policy',
  authentication_error: 'key_invalid',
  incomplete_error: 'upstream',
  upstream_error: 'upstream',
  server_error: 'upstream',
  overloaded_error: 'upstream',
}

const limitTypes: ReadonlySet<string> = new Set(['rate_limit_error', 'rate_limit_exceeded'])

function reasonOf(refusal: GatewayRefusal, status: number): FailureReason {
  if (Object.hasOwn(byCode, refusal.code)) return byCode[refusal.code]!
  if (limitTypes.has(refusal.type)) return windowOf(refusal) ? 'rate_limited' : limitReason(refusal.message)
  switch (refusal.type) {
    case 'api_error':
      return status === 503 || /no available/i.test(refusal.message) ? 'no_account' : 'upstream'
    case 'permission_error':
      // The prompt audit refuses with the same type, and a code.
      return refusal.code ? 'content_policy' : 'group_no_images'
    case 'not_found_error':
      return 'group_no_images'
    case 'model_not_found':
      return 'no_model'
    case 'invalid_request_error':
      return 'bad_request'
  }
  if (Object.hasOwn(byType, refusal.type)) return byType[refusal.type]!
  if (refusal.code === 'rate_limit_exceeded') return limitReason(refusal.message)
  return reasonOfStatus(refusal, status)
}

/** Of the key only: the platform has limits of the whole account, by the day and the week too. */
function windowOf({ type, message }: GatewayRefusal): WindowName | null {
  return limitTypes.has(type) && namesKey(message) ? windowIn(message) : null
}

function namesKey(message: string): boolean {
  return /\bkey\b|密钥/i.test(message)
}

function limitReason(message: string): FailureReason {
  if (/concurrency|pending requests/i.test(message)) return 'concurrency'
  if (!/限额|额度|配额|\bquota\b/i.test(message)) return 'rate_limited'
  return namesKey(message) ? 'key_quota' : 'account_quota'
}

function reasonOfStatus(refusal: GatewayRefusal, status: number): FailureReason {
  if (status === 408 || status === 504 || status === 524) return 'timeout'
  if (refusal.shape === 'page') {
    if (status === 413) return 'bad_request'
    if (status === 429) return 'rate_limited'
    return 'gateway_down'
  }
  if (status === 401) return 'key_invalid'
  if (status === 402) return 'insufficient_balance'
  if (status === 403) return 'group_no_images'
  if (status === 429) return 'rate_limited'
  return status >= 400 && status < 500 ? 'bad_request' : 'upstream'
}

const fields = [
  'prompt',
  'model',
  'n',
  'size',
  'quality',
  'background',
  'output_format',
  'output_compression',
  'moderation',
  'partial_images',
  'stream',
  'images',
  'image',
  'mask',
]

function fieldOf(refusal: GatewayRefusal): string | undefined {
  if (refusal.param) return scrub(refusal.param).slice(0, 100)
  const words: readonly string[] = refusal.message.toLowerCase().match(/[a-z_]+/g) ?? []
  return fields.find(field => words.includes(field))
}

const longestWait = 24 * 60 * 60 * 1000

/** `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3); nothing for the past, at most a day ahead. */
export function retryAt(header: string, now: number = Date.now()): Date | undefined {
  const value = header.trim()
  if (value === '') return undefined
  const at = /^\d+$/.test(value) ? now + Number(value) * 1000 : Date.parse(value)
  return at > now ? new Date(Math.min(at, now + longestWait)) : undefined
}

/** The address that a redirect names, without what could be secret in it; nothing for any other answer. */
export function movedTo(status: number, location: string): string | undefined {
  if (status < 300 || status >= 400 || location === '') return undefined
  const url = URL.parse(location)
  return url ? url.origin + url.pathname : location.slice(0, 200).split(/[?#]/)[0]
}

/** The fields of a JSON object; of anything else, none. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

export function string(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
