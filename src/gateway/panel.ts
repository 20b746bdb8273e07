import type { z } from 'zod'
import { parseStorable } from '../db/storable.ts'
import type { Secret } from '../secrets/secret.ts'
import { GatewayError, PanelError } from './errors.ts'
import { type Http, type HttpReply, type HttpRequest, readBody, Unanswered } from './http.ts'
import { fieldsOf, type GatewayRefusal, movedTo, parseRefusal, refusalError, retryAt } from './refusals.ts'
import { scrub } from './scrub.ts'

/** The one client address and the user agent of a session: the gateway may bind the session to both. */
export interface Caller {
  address: string
  userAgent: string
}

/** One exchange with the gateway, for a counter; status 0 where no reply came. */
export type OnCall = (call: { name: string; status: number; ms: number }) => void

interface JsonCall<T extends z.ZodType> {
  name: string
  method?: 'GET' | 'POST'
  path: string
  caller?: Caller
  /** Sent as bearer token: an access token for the panel, an API key for the gateway family. */
  bearer?: Secret
  headers?: Record<string, string>
  body?: unknown
  /** Further credentials in the request, kept out of every message. */
  secrets?: readonly Secret[]
  schema: T
}

interface JsonCalls {
  /** `/api/v1/**`: unwraps `{code,message,data}`. Throws PanelError; GatewayError `gateway_down` or `timeout` for an outage. */
  panel: <T extends z.ZodType>(call: JsonCall<T>) => Promise<z.output<T>>
  /** `/v1/**` with an API key, no envelope. Throws GatewayError. */
  gateway: <T extends z.ZodType>(call: JsonCall<T>) => Promise<z.output<T>>
}

const longestAnswer = 8 * 1024 * 1024

export function createJsonCalls(http: Http, timeout: number, onCall: OnCall): JsonCalls {
  async function exchange(call: JsonCall<z.ZodType>): Promise<{ reply: HttpReply; text: string }> {
    const started = performance.now()
    let status = 0
    try {
      const reply = await http.send(httpRequest(call, timeout))
      const text = (await readBody(reply, longestAnswer)).toString('utf8')
      status = reply.status
      return { reply, text }
    } catch (error) {
      throw outage(error)
    } finally {
      onCall({ name: call.name, status, ms: performance.now() - started })
    }
  }

  return {
    async panel(call) {
      const { reply, text } = await exchange(call)
      const refusal = reply.status === 200 ? null : parseRefusal(text)
      if (refusal) throw panelError(refusal, reply, secretsOf(call))
      const envelope = fieldsOf(parseJson(text, call.name))
      // A wrong upstream address answers with some page, or with JSON that is not the panel's.
      if (envelope.code !== 0) throw panelError(parseRefusal(text), reply, secretsOf(call))
      return checked(call, envelope.data)
    },
    async gateway(call) {
      const { reply, text } = await exchange(call)
      if (reply.status === 200) return checked(call, parseJson(text, call.name))
      throw refusalError(parseRefusal(text), {
        status: reply.status,
        requestId: requestIdOf(reply),
        retryAt: retryAt(reply.header('retry-after')),
        movedTo: movedTo(reply.status, reply.header('location')),
        secrets: secretsOf(call),
      })
    },
  }
}

/** `X-Client-Request-ID`, under which the usage row is filed. */
export function requestIdOf(reply: HttpReply): string | undefined {
  return reply.header('x-client-request-id').split(',')[0]!.trim() || undefined
}

/** The headers that say who asks. The browser's own forwarding headers are never passed on. */
export function callerHeaders(caller: Caller | undefined, bearer?: Secret): Record<string, string> {
  return {
    'user-agent': caller?.userAgent ?? 'sub2api-playground',
    ...(caller && { 'x-real-ip': caller.address }),
    ...(bearer && { authorization: `Bearer ${bearer.reveal()}` }),
  }
}

function httpRequest(call: JsonCall<z.ZodType>, timeout: number): HttpRequest {
  const request: HttpRequest = {
    method: call.method ?? 'GET',
    path: call.path,
    headers: { accept: 'application/json', ...callerHeaders(call.caller, call.bearer), ...call.headers },
    timeouts: { headers: timeout, idle: timeout, total: timeout },
  }
  if (call.body === undefined) return request
  const headers = { ...request.headers, 'content-type': 'application/json' }
  return { ...request, headers, body: JSON.stringify(call.body) }
}

function secretsOf(call: JsonCall<z.ZodType>): Secret[] {
  return [...(call.bearer ? [call.bearer] : []), ...(call.secrets ?? [])]
}

/** Nothing of the panel costs money: `charged` is always `no`. */
function outage(error: unknown): unknown {
  if (error instanceof RangeError)
    return new GatewayError('gateway_down', { charged: 'no', detail: 'the answer is too large' })
  if (!(error instanceof Unanswered)) return error
  const facts = { charged: 'no', mayRetry: error.kind === 'unreachable', detail: scrub(error.message) } as const
  return new GatewayError(error.kind === 'timeout' ? 'timeout' : 'gateway_down', facts, { cause: error })
}

const outageCodes: ReadonlySet<string> = new Set(['', 'SERVICE_UNAVAILABLE', 'INTERNAL_ERROR'])

function panelError(refusal: GatewayRefusal, reply: HttpReply, secrets: readonly Secret[]): Error {
  const { status } = reply
  const again = retryAt(reply.header('retry-after'))
  const message = scrub(refusal.message, secrets)
  const elsewhere = movedTo(status, reply.header('location'))
  if (elsewhere)
    return new GatewayError('gateway_moved', { charged: 'no', status, movedTo: elsewhere, detail: elsewhere })
  // A page is no answer of the panel: the upstream address is wrong, its build too old, or a proxy stands in for it.
  const isOutage =
    status < 400 || (status >= 500 && outageCodes.has(refusal.code)) || (refusal.shape === 'page' && status !== 429)
  if (isOutage) return new GatewayError('gateway_down', { charged: 'no', status, retryAt: again, detail: message })
  const code = refusal.code || (status === 429 ? 'RATE_LIMITED' : '')
  return new PanelError(status, code, message, again ?? null)
}

function parseJson(text: string, name: string): unknown {
  try {
    return parseStorable(text)
  } catch (error) {
    throw new GatewayError(
      'gateway_down',
      { charged: 'no', detail: `${name}: the answer is not JSON` },
      { cause: error },
    )
  }
}

function checked<T extends z.ZodType>(call: JsonCall<T>, data: unknown): z.output<T> {
  const parsed = call.schema.safeParse(data)
  if (parsed.success) return parsed.data
  // The issues name fields, never values: an answer may hold keys.
  const fields = parsed.error.issues.map(issue => issue.path.join('.') || '(root)').join(', ')
  throw new GatewayError('gateway_down', { charged: 'no', detail: `${call.name}: unexpected answer at ${fields}` })
}
