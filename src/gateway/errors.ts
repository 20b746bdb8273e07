import type { WindowName } from './windows.ts'

/** Why a call to the gateway failed: a closed list, each with one sentence and one next step in every language. */
export const failureReasons = [
  'bad_request',
  'content_policy',
  'insufficient_balance',
  'key_invalid',
  'key_expired',
  'key_quota',
  'account_quota',
  'account_inactive',
  'group_no_images',
  'ip_denied',
  'subscription',
  'rate_limited',
  'concurrency',
  'no_account',
  'no_model',
  'upstream',
  'gateway_down',
  'gateway_moved',
  'timeout',
  'bad_image',
  'unfetched',
  'storage',
  'interrupted',
] as const
export type FailureReason = (typeof failureReasons)[number]

/** Whether money was taken for the call: `unknown` whenever the request may have reached the model and no verdict came back. */
export type Charged = 'yes' | 'no' | 'unknown'

/** What a failed call left behind, for the row, the log and the reader. */
export interface FailureFacts {
  charged: Charged
  /** True only where nothing was charged *and* the cause passes by itself; whoever retries sends the very same request. */
  mayRetry?: boolean | undefined
  /** The request field the gateway complained about, where it named one. */
  field?: string | undefined
  /** When the gateway allows the next attempt. */
  retryAt?: Date | undefined
  /** A spending window of the key is full: it opens by itself, and the gateway does not say when. */
  window?: WindowName | undefined
  /** `X-Client-Request-ID` of the reply: the usage row is filed under `client:<id>`. */
  requestId?: string | undefined
  /** HTTP status of the reply, where there was one. */
  status?: number | undefined
  /** Where a redirect of the gateway leads; nothing is ever sent there. */
  movedTo?: string | undefined
  /** The gateway's own words, unescaped, at most 2,000 characters; never contains a credential. */
  detail?: string | undefined
}

/** A gateway call that was answered with a refusal, or not answered. */
export class GatewayError extends Error {
  readonly reason: FailureReason
  readonly facts: FailureFacts

  constructor(reason: FailureReason, facts: FailureFacts, options?: ErrorOptions) {
    super(`gateway: ${reason}${facts.status ? ` (${facts.status})` : ''}`, options)
    this.name = 'GatewayError'
    this.reason = reason
    this.facts = facts
  }
}

/**
 * A panel call (`/api/v1/**`) that the gateway refused. Outages are `GatewayError('gateway_down' | 'gateway_moved' | 'timeout')` instead.
 * `code` is the gateway's own word (`INVALID_CREDENTIALS`, `TOKEN_EXPIRED`, …), `RATE_LIMITED` for every nameless 429,
 * and empty where the gateway gave none. `message` holds no credential but is the gateway's text: escape it.
 */
export class PanelError extends Error {
  readonly status: number
  readonly code: string
  readonly retryAt: Date | null

  constructor(status: number, code: string, message: string, retryAt: Date | null = null) {
    super(message)
    this.name = 'PanelError'
    this.status = status
    this.code = code
    this.retryAt = retryAt
  }
}
