import type { ServerResponse } from 'node:http'

/** An answer that ends a request: thrown by any step, written by the server if nothing was written before. */
export class Refusal extends Error {
  readonly status: number
  readonly body: unknown
  readonly headers: Record<string, string>

  constructor(status: number, body: unknown, headers: Record<string, string> = {}) {
    super(`refused with ${status}`)
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/** A panel handler's refusal: the code is the HTTP status as a number. */
export function panelRefusal(status: number, message: string, reason?: string, metadata?: Record<string, string>) {
  return new Refusal(status, {
    code: status,
    message,
    ...(reason && { reason }),
    ...(metadata && { metadata }),
  })
}

/** A refusal by the JWT, panel-rate or API-key middleware: the code is a string. */
export function middlewareRefusal(status: number, code: string, message: string, headers?: Record<string, string>) {
  return new Refusal(status, { code, message }, headers)
}

/** The limiter of the sign-in routes has no code at all. */
export function limiterRefusal(retryAfterSeconds: number) {
  return new Refusal(
    429,
    { error: 'rate limit exceeded', message: 'Too many requests, please try again later' },
    { 'Retry-After': String(retryAfterSeconds) },
  )
}

/** A gateway handler's refusal, in the manner of OpenAI. */
export function gatewayRefusal(
  status: number,
  type: string,
  message: string,
  extra: Record<string, unknown> = {},
  headers?: Record<string, string>,
) {
  return new Refusal(status, { error: { type, message, ...extra } }, headers)
}

/** The panel's success envelope; `data` is left out when there is none. */
export function sendData(res: ServerResponse, data: unknown) {
  sendJson(res, 200, { code: 0, message: 'success', ...(data != null && { data }) })
}

export function sendJson(res: ServerResponse, status: number, body: unknown) {
  send(res, status, 'application/json; charset=utf-8', JSON.stringify(body))
}

export function send(res: ServerResponse, status: number, contentType: string, body: string | Buffer) {
  res.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) })
  res.end(body)
}

/** One page of a list; out-of-range numbers fall back to the defaults, as the gateway does it. */
export function paginate<T>(all: T[], query: URLSearchParams) {
  const page = Math.max(1, Math.trunc(Number(query.get('page'))) || 1)
  const asked = Math.trunc(Number(query.get('page_size') ?? query.get('limit')))
  const pageSize = asked >= 1 && asked <= 1000 ? asked : 20
  return {
    items: all.slice((page - 1) * pageSize, page * pageSize),
    total: all.length,
    page,
    page_size: pageSize,
    pages: Math.max(1, Math.ceil(all.length / pageSize)),
  }
}

/** A time as Go prints it: RFC 3339 with an offset and a fraction of up to nine digits. */
export function goTime(date: Date) {
  const local = new Date(date.getTime() + 8 * 3_600_000).toISOString().slice(0, -1)
  return `${local}${String(date.getTime() % 997).padStart(3, '0')}+08:00`
}
