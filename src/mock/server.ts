import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createControl, type MockControl } from './control.ts'
import { controlRoute } from './control-route.ts'
import type { Exchange } from './exchange.ts'
import { knownReplies } from './known-replies.ts'
import { record, settle } from './observe.ts'
import { goThrough } from './points.ts'
import { readBody } from './read-body.ts'
import { Refusal, send, sendJson } from './replies.ts'
import { routeOf } from './routes.ts'
import type { Settings } from './settings.ts'
import { createState, type MockState, pause } from './state.ts'

export interface MockGateway {
  url: string
  /** Everything the mock knows; for tests in the same process. */
  state: MockState
  /** What `/__mock` offers over HTTP, as functions. */
  control: MockControl
  /** As kill -9: every connection breaks, none is taken until `comeBack`, and calls under way are never billed. */
  goDown(): Promise<void>
  /** As SIGTERM: none is taken, calls that end within `patienceMs` are waited for and billed; the rest as `goDown`. */
  shutDown(patienceMs: number): Promise<void>
  comeBack(): Promise<void>
  close(): Promise<void>
}

export interface MockOptions extends Partial<Settings> {
  /** 0, the default, takes any free port. */
  port?: number
  host?: string
}

/**
 * Starts a server that speaks the gateway's language: the panel, the gateway and, under `/__mock`, what tests need.
 * Without options it answers at once with pictures that are quick to make; MOCK_LATENCY_MS, MOCK_FIXED_PICTURE=1 and
 * PLAYGROUND_URL in the environment change that.
 */
export async function startMockGateway(options: MockOptions = {}): Promise<MockGateway> {
  const { port = 0, host = '127.0.0.1', ...settings } = options
  const fromEnvironment: Partial<Settings> = {
    ...(process.env.MOCK_LATENCY_MS && { latencyMs: Number(process.env.MOCK_LATENCY_MS) }),
    ...(process.env.PLAYGROUND_URL && { playgroundUrl: process.env.PLAYGROUND_URL }),
    ...(process.env.MOCK_FIXED_PICTURE === '1' && { pictures: 'fixed' as const }),
  }
  const state = createState({ ...fromEnvironment, ...settings })
  const server = createServer({ keepAliveTimeout: 30_000 }, (req, res) => void answer(state, req, res))
  const listen = async (at: number) => {
    server.listen(at, host)
    // Throws what goes wrong meanwhile.
    await once(server, 'listening')
  }
  const stopListening = () => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    server.closeAllConnections()
    return closed
  }
  const goDown = () => {
    state.life++
    return stopListening()
  }
  await listen(port)
  const { port: bound } = server.address() as AddressInfo
  state.url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`

  return {
    url: state.url,
    state,
    control: createControl(state),
    goDown,
    async shutDown(patienceMs) {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      // A connection kept alive is none to wait for, once its call has ended.
      const idle = setInterval(() => server.closeIdleConnections(), 10)
      await Promise.race([closed, new Promise(resolve => setTimeout(resolve, patienceMs).unref())])
      clearInterval(idle)
      await goDown()
    },
    comeBack: () => listen(bound),
    async close() {
      state.closing.abort()
      await stopListening()
    },
  }
}

async function answer(state: MockState, req: IncomingMessage, res: ServerResponse) {
  const url = new URL(req.url ?? '/', 'http://mock')
  const method = req.method ?? 'GET'
  res.setHeader('X-Request-ID', validId(req.headers['x-request-id']) ?? randomUUID())
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('X-Frame-Options', 'DENY')
  res.setHeader('Referrer-Policy', 'strict-origin-when-cross-origin')
  // A client that goes away is not an error of ours.
  res.on('error', () => {})

  const exchange: Exchange = {
    state,
    req,
    res,
    method,
    path: url.pathname,
    query: url.searchParams,
    params: {},
    body: Buffer.alloc(0),
    ip: addressOf(req),
    userAgent: req.headers['user-agent'] ?? '',
    json: undefined,
    form: null,
    life: state.life,
    call: null,
    fault: {},
  }
  let failure: unknown = null
  try {
    if (method === 'OPTIONS' && req.headers.origin) return send(res, 403, 'text/plain', '')
    if (url.pathname.startsWith('/__mock/')) return await controlRoute(exchange)
    const route = routeOf(method, url.pathname)
    if (!route) return send(res, 404, 'text/plain', '404 page not found')
    exchange.params = route.params
    if (route.family === 'gateway') res.setHeader('X-Client-Request-ID', randomUUID())
    await readBody(exchange)
    record(exchange, route.family)
    await misbehave(exchange)
    await route.handler(exchange)
  } catch (error) {
    failure = error
    refuse(exchange, error)
  } finally {
    settle(exchange, failure)
  }
}

/** What the fault wants before any header is sent. */
async function misbehave(exchange: Exchange) {
  const { state, fault, res } = exchange
  if (fault.noClientRequestId) res.removeHeader('X-Client-Request-ID')
  if (fault.delayMs) await pause(state, fault.delayMs)
  await goThrough(exchange, 'before_headers')
  const reply = typeof fault.reply === 'string' ? knownReplies.get(fault.reply) : fault.reply
  if (reply) throw new Refusal(reply.status, reply.body ?? '', reply.headers)
}

function refuse({ res, state }: Exchange, error: unknown) {
  if (res.headersSent || res.destroyed || state.closing.signal.aborted) {
    if (!res.writableEnded) res.destroy()
    return
  }
  if (!(error instanceof Refusal)) {
    console.error(error)
    return sendJson(res, 500, { code: 500, message: 'internal error' })
  }
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value)
  if (typeof error.body !== 'string') return sendJson(res, error.status, error.body)
  send(res, error.status, error.headers['Content-Type'] ?? 'text/plain; charset=utf-8', error.body)
}

/** The gateway believes these headers without asking who sent them. */
function addressOf(req: IncomingMessage) {
  const forwarded = req.headers['x-forwarded-for']?.toString().split(',')[0]?.trim()
  const given = req.headers['cf-connecting-ip'] ?? req.headers['x-real-ip'] ?? forwarded
  return given?.toString() || (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

function validId(value: string | string[] | undefined) {
  return typeof value === 'string' && /^[\w.-]{1,128}$/.test(value) ? value : null
}
