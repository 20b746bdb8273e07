import { z } from 'zod'
import { Secret } from '../secrets/secret.ts'
import { createHttp } from './http.ts'
import type { EditRequest, GenerationRequest, ImageOptions } from './image-request.ts'
import { addressCalls, editCalls, type ImageCall, imageCalls } from './images.ts'
import { type Caller, createJsonCalls, type OnCall } from './panel.ts'
import { type ResponseCall, type ResponseRequest, responseCalls } from './responses.ts'
import * as schemas from './schemas.ts'
import { type StaleWhileError, staleWhileError } from './stale-while-error.ts'

export { linkOf } from './fetch-guard.ts'
export type { GenerationRequest, ImageOptions } from './image-request.ts'
export type { ImageCall, ImageEvent } from './images.ts'
export type { Caller } from './panel.ts'
export type { Drawn, ResponseEvent } from './response-events.ts'
export type { FunctionTool, InputItem, ResponseCall, ResponseRequest } from './responses.ts'
export type { ApiKey, GatewayUser, Group, PublicSettings, Tokens, Usage } from './schemas.ts'
export type { TokenUsage } from './token-usage.ts'

export interface GatewayOptions {
  /** The address of the sub2api gateway, with a path if it lives under one. */
  upstream: string
  timeouts?: Partial<Timeouts>
  onCall?: OnCall
}

/** Milliseconds. */
export interface Timeouts {
  /** To open a connection. */
  connect: number
  /** To the first byte of a picture reply that is not streamed: the gateway may be silent until the picture is there. */
  headers: number
  /** The same for a streamed reply. Not short: a relay that ignores `stream`, or a change of account, is silent as long. */
  streamHeaders: number
  /** Between two bytes; the gateway's keep-alive comments and spaces count. */
  idle: number
  /** For a whole picture call. */
  total: number
  /** For a whole panel call. */
  panel: number
}

const defaultTimeouts: Timeouts = {
  connect: 10_000,
  headers: 15 * 60_000,
  streamHeaders: 5 * 60_000,
  idle: 120_000,
  total: 20 * 60_000,
  panel: 15_000,
}

export interface Session {
  tokens: schemas.Tokens
  user: schemas.GatewayUser
}
export type Login = ({ kind: 'signed_in' } & Session) | { kind: 'two_factor'; tempToken: Secret; maskedEmail: string }

/**
 * The gateway's HTTP contract (sub2api 0.1.115 and later). Every method but `settings` speaks for one caller.
 * Panel methods throw PanelError for a refusal and GatewayError `gateway_down` or `timeout` for an outage, never charged;
 * `listModels` and `generateImage`, which carry an API key, throw GatewayError only. Nothing is sent twice, except a GET whose
 * kept-alive connection broke before the reply.
 */
export interface Gateway {
  /** Cached for a minute, and longer while the gateway is down. Throws after two seconds of silence: a page waits for it. */
  settings(): Promise<schemas.PublicSettings>
  /** PanelError codes: INVALID_CREDENTIALS, USER_NOT_ACTIVE, TURNSTILE_VERIFICATION_FAILED, BACKEND_MODE_ADMIN_ONLY, RATE_LIMITED, … */
  login(
    caller: Caller,
    credentials: { email: string; password: Secret; turnstileToken?: string | undefined },
  ): Promise<Login>
  /** PanelError codes: TOTP_INVALID_CODE (the temp token stays good), TOTP_TOO_MANY_ATTEMPTS, or none for an expired temp token. */
  loginWithCode(caller: Caller, tempToken: Secret, code: string): Promise<Session>
  /** Consumes the refresh token: run one at a time per session. PanelError 401 means signed out; an outage leaves its fate unknown. */
  refresh(caller: Caller, refreshToken: Secret): Promise<schemas.Tokens>
  /** Revokes the refresh token; the access token lives on until it expires. */
  logout(caller: Caller, refreshToken: Secret): Promise<void>
  revokeAllSessions(caller: Caller, accessToken: Secret): Promise<void>
  /** PanelError 401: TOKEN_EXPIRED asks for a refresh, the other codes for a new sign-in. The same holds for all methods below it. */
  profile(caller: Caller, accessToken: Secret): Promise<schemas.GatewayUser>
  /** Whose an access token is that came without a refresh token, and until when. */
  handedOver(caller: Caller, accessToken: Secret): Promise<Session>
  /** All pages, at most 5,000 keys, newest first. */
  listKeys(caller: Caller, accessToken: Secret): Promise<schemas.ApiKey[]>
  /** The same idempotency key gives the same key. The answer has no `group`. */
  createKey(
    caller: Caller,
    accessToken: Secret,
    key: { name: string; groupId: number | null; idempotencyKey: string },
  ): Promise<schemas.ApiKey>
  listGroups(caller: Caller, accessToken: Secret): Promise<schemas.Group[]>
  /** The user's own multipliers by group id; empty when there are none. */
  groupRates(caller: Caller, accessToken: Secret): Promise<Map<number, number>>
  listModels(caller: Caller, apiKey: Secret): Promise<string[]>
  /**
   * A page of at most 1,000 rows, of all keys, those of deleted ones too; newest first. `isLast`: there are no older ones.
   */
  listUsage(
    caller: Caller,
    accessToken: Secret,
    query: { page: number; size: number },
  ): Promise<{ rows: schemas.Usage[]; isLast: boolean }>
  /** Nothing is sent before the first event is asked for. See `images.ts`. */
  generateImage(caller: Caller, apiKey: Secret, request: GenerationRequest, options: ImageOptions): ImageCall
  /** The same with pictures to start from, and perhaps a mask. */
  editImage(caller: Caller, apiKey: Secret, request: EditRequest, options: ImageOptions): ImageCall
  /** From an address that a call gave in place of a picture. Throws. */
  fetchPicture(address: string, signal: AbortSignal): Promise<Buffer>
  /** One answer of a text model, streamed; GatewayError only. Nothing is sent before the first event is asked for. See `responses.ts`. */
  respond(caller: Caller, apiKey: Secret, request: ResponseRequest, options: { signal: AbortSignal }): ResponseCall
  close(): Promise<void>
}

const pageSize = 100
const mostKeyPages = 50
const none = z.unknown()

export function createGateway(options: GatewayOptions): Gateway {
  const timeouts = { ...defaultTimeouts, ...options.timeouts }
  const onCall = options.onCall ?? (() => undefined)
  const upstream = new URL(options.upstream)
  const http = createHttp(upstream, timeouts.connect)
  const { panel, gateway } = createJsonCalls(http, timeouts.panel, onCall)
  const settings: StaleWhileError<schemas.PublicSettings> = staleWhileError({ lifetime: 60_000, patience: 2_000 }, () =>
    panel({ name: 'settings', path: '/api/v1/settings/public', schema: schemas.PublicSettings }),
  )

  const profile: Gateway['profile'] = (caller, bearer) =>
    panel({ name: 'profile', path: '/api/v1/user/profile', caller, bearer, schema: schemas.GatewayUser })

  return {
    settings,

    async login(caller, { email, password, turnstileToken }) {
      const answer = await panel({
        name: 'login',
        method: 'POST',
        path: '/api/v1/auth/login',
        caller,
        body: { email, password: password.reveal(), ...(turnstileToken && { turnstile_token: turnstileToken }) },
        secrets: [password],
        schema: z.union([schemas.TwoFactorPending, schemas.SignedIn]),
      })
      return 'tempToken' in answer ? { kind: 'two_factor', ...answer } : { kind: 'signed_in', ...session(answer) }
    },

    async loginWithCode(caller, tempToken, code) {
      const answer = await panel({
        name: 'login_2fa',
        method: 'POST',
        path: '/api/v1/auth/login/2fa',
        caller,
        body: { temp_token: tempToken.reveal(), totp_code: code },
        secrets: [tempToken, new Secret(code)],
        schema: schemas.SignedIn,
      })
      return session(answer)
    },

    refresh(caller, refreshToken) {
      const body = { refresh_token: refreshToken.reveal() }
      const path = '/api/v1/auth/refresh'
      return panel({
        name: 'refresh',
        method: 'POST',
        path,
        caller,
        body,
        secrets: [refreshToken],
        schema: schemas.Tokens,
      })
    },

    async logout(caller, refreshToken) {
      const body = { refresh_token: refreshToken.reveal() }
      const path = '/api/v1/auth/logout'
      await panel({ name: 'logout', method: 'POST', path, caller, body, secrets: [refreshToken], schema: none })
    },

    async revokeAllSessions(caller, bearer) {
      const path = '/api/v1/auth/revoke-all-sessions'
      await panel({ name: 'revoke_sessions', method: 'POST', path, caller, bearer, schema: none })
    },

    profile,

    async handedOver(caller, bearer) {
      const user = await profile(caller, bearer)
      return { user, tokens: { accessToken: bearer, refreshToken: null, expiresAt: schemas.jwtExpiry(bearer) } }
    },

    async listKeys(caller, bearer) {
      const keys: schemas.ApiKey[] = []
      for (let page = 1, pages = 1; page <= Math.min(pages, mostKeyPages); page++) {
        const path = `/api/v1/keys?page=${page}&page_size=${pageSize}&sort_by=created_at&sort_order=desc`
        const answer = await panel({ name: 'keys', path, caller, bearer, schema: schemas.pageOf(schemas.ApiKey) })
        keys.push(...answer.items)
        pages = answer.size === 0 ? page : answer.pages
      }
      // A key that is created while the pages are walked moves the last one of a page to the next.
      return [...new Map(keys.map(key => [key.id, key])).values()]
    },

    createKey(caller, bearer, { name, groupId, idempotencyKey }) {
      return panel({
        name: 'create_key',
        method: 'POST',
        path: '/api/v1/keys',
        caller,
        bearer,
        headers: { 'idempotency-key': idempotencyKey },
        body: { name, ...(groupId !== null && { group_id: groupId }) },
        schema: schemas.ApiKey,
      })
    },

    listGroups(caller, bearer) {
      const schema = schemas.listOf(schemas.Group)
      return panel({ name: 'groups', path: '/api/v1/groups/available', caller, bearer, schema })
    },

    groupRates(caller, bearer) {
      return panel({ name: 'group_rates', path: '/api/v1/groups/rates', caller, bearer, schema: schemas.GroupRates })
    },

    listModels(caller, bearer) {
      return gateway({ name: 'models', path: '/v1/models', caller, bearer, schema: schemas.ModelList })
    },

    async listUsage(caller, bearer, { page, size }) {
      const query = new URLSearchParams({
        page: String(page),
        page_size: String(size),
        sort_by: 'created_at',
        sort_order: 'desc',
      })
      const { items, pages } = await panel({
        name: 'usage',
        path: `/api/v1/usage?${query.toString()}`,
        caller,
        bearer,
        schema: schemas.pageOf(schemas.Usage),
      })
      return { rows: items, isLast: pages <= page }
    },

    generateImage: imageCalls({ http, timeouts, upstream, onCall }),
    editImage: editCalls({ http, timeouts, upstream, onCall }),

    fetchPicture: addressCalls({ upstream }),

    respond: responseCalls({ http, timeouts, onCall }),

    close: () => http.close(),
  }
}

function session(answer: z.output<typeof schemas.SignedIn>): Session {
  const { user, accessToken, refreshToken, expiresAt } = answer
  return { tokens: { accessToken, refreshToken, expiresAt }, user }
}
