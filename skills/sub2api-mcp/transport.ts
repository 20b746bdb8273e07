import { setTimeout as delay } from 'node:timers/promises'
import { Failure, Refused, Unreachable } from './failure.ts'

const API = '/api/playground/ssh'
const ATTEMPTS = 4
const LONGEST_PAUSE_S = 30
const JSON_MS = 120_000
const DOWNLOAD_MS = 600_000

export interface Ask {
  token?: string
  body?: unknown
  headers?: Record<string, string>
  signal: AbortSignal
}

/** HTTP as the playground speaks it. No redirect is followed: the bearer token stays with the server it is for. */
export interface Transport {
  url: string
  /** The `data` of the answer's envelope. Throws `Refused`, `Unreachable`. */
  json(method: 'GET' | 'POST', path: string, ask: Ask): Promise<unknown>
  /** An answer with status 2xx whose body is read by the caller. Throws `Refused`, `Unreachable`. */
  open(method: 'GET' | 'POST', path: string, ask: Ask, milliseconds?: number): Promise<Response>
}

export function createTransport(url: string, userAgent: string): Transport {
  const stranger = () => new Failure(`${url} does not answer like a playground: is the address right?`)

  async function open(method: 'GET' | 'POST', path: string, ask: Ask, milliseconds = DOWNLOAD_MS): Promise<Response> {
    const headers: Record<string, string> = { 'User-Agent': userAgent, 'Accept-Language': 'en', ...ask.headers }
    if (ask.token) headers.Authorization = `Bearer ${ask.token}`
    if (ask.body !== undefined) headers['Content-Type'] = 'application/json'
    const body = ask.body === undefined ? null : JSON.stringify(ask.body)
    const signal = AbortSignal.any([ask.signal, AbortSignal.timeout(milliseconds)])
    const response = await connected(() =>
      fetch(`${url}${API}${path}`, { method, headers, body, signal, redirect: 'manual' }),
    )
    if (response.ok) return response
    if (response.status < 400) {
      const place = URL.parse(response.headers.get('Location') ?? '')
      throw new Failure(`${url} redirects${place ? ` to ${place.origin}` : ''}, which is not followed`)
    }
    const text = (await connected(() => response.text())).slice(0, 65_536)
    const said = parseObject(text)
    if (!said && (response.status === 404 || response.status === 405)) throw stranger()
    const sentence = said ? [said.message, said.error].find(words => typeof words === 'string' && words !== '') : text
    const message = oneLine(typeof sentence === 'string' ? sentence : '')
    const retryAfter = response.headers.get('Retry-After') ?? ''
    throw new Refused(
      response.status,
      message || `The server answered with status ${response.status}`,
      /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) : null,
    )
  }

  /** Turns what fetch throws for a broken connection into `Unreachable`. */
  async function connected<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      const code = codeOf(error)
      if (code === 'AbortError') throw new Unreachable('Cancelled', { passing: false, arrived: true })
      if (code === 'ECONNREFUSED') {
        throw new Unreachable(`${url} refuses connections: is the playground running there?`, {
          passing: true,
          arrived: false,
        })
      }
      if (code === 'ENOTFOUND') {
        throw new Unreachable(`The host name in ${url} was not found`, { passing: false, arrived: false })
      }
      throw new Unreachable(`The connection to ${url} broke (${code})`, { passing: true, arrived: true })
    }
  }

  return {
    url,
    open,
    async json(method, path, ask) {
      const response = await open(method, path, ask, JSON_MS)
      const content = parseObject(await connected(() => response.text()))
      if (!content) throw stranger()
      return content.data ?? content
    },
  }
}

/** Calls until it succeeds, pausing as long as the server asks. Only for what may be done twice. */
export async function retrying<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      const pause = pauseAfter(error, attempt)
      if (pause === null || attempt === ATTEMPTS) throw error
      await delay(pause * 1000, undefined, { signal })
    }
  }
}

/** Whether the same request may be answered in a while. */
export function isPassing(error: unknown): boolean {
  return error instanceof Refused
    ? [429, 502, 503, 504].includes(error.status)
    : error instanceof Unreachable && error.passing
}

/** Seconds; null when another try is no use now. */
function pauseAfter(error: unknown, attempt: number): number | null {
  if (!isPassing(error)) return null
  const backoff = 0.5 * 2 ** (attempt - 1) * (0.8 + 0.4 * Math.random())
  const pause = error instanceof Refused ? (error.retryAfter ?? backoff) : backoff
  return pause <= LONGEST_PAUSE_S ? pause : null
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const cause = error.cause
  if (!(cause instanceof Error)) return error.name
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const content: unknown = JSON.parse(text)
    return typeof content === 'object' && content !== null && !Array.isArray(content) ? { ...content } : null
  } catch {
    return null
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 500)
}
