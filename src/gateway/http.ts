import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import type { Agent, buildConnector, Client, Dispatcher } from 'undici'
import { growingBytes } from '../wire/growing-bytes.ts'

/** No reply, or only a part of one. */
export class Unanswered extends Error {
  /** `unreachable`: no connection, so nothing was sent. `cut`: the connection ended early. */
  readonly kind: 'unreachable' | 'cut' | 'timeout' | 'aborted'
  /** Whether the request may have left as a whole: without its last byte it asks for nothing. */
  readonly sent: boolean

  constructor(kind: Unanswered['kind'], sent: boolean, cause: unknown) {
    super(`${kind}: ${cause instanceof Error ? cause.message || cause.name : String(cause)}`, { cause })
    this.name = 'Unanswered'
    this.kind = kind
    this.sent = sent
  }
}

export interface HttpRequest {
  method: 'GET' | 'POST'
  /** With its leading slash and its query; the upstream's own path goes before it. */
  path: string
  headers: Record<string, string>
  /** A stream needs a `content-length`. */
  body?: Uint8Array | string | AsyncIterable<Uint8Array>
  signal?: AbortSignal
  /** Milliseconds to the reply's headers, between two bytes of it, and for everything. */
  timeouts: { headers: number; idle: number; total: number }
}

export interface HttpReply {
  status: number
  header(name: string): string
  /** Throws `Unanswered`. The reply must be read to its end or closed. */
  body: AsyncIterable<Buffer>
  close(): void
}

export interface Http {
  send(request: HttpRequest): Promise<HttpReply>
  close(): Promise<void>
}

/**
 * The connections to one upstream. A GET uses kept-alive connections and is sent again once when such a connection broke before
 * the reply began. A POST has a connection of its own: whatever went wrong before it was open proves that nothing was sent, and no
 * byte is ever sent twice. HTTP/1.1 only, for the same reason.
 */
export function createHttp(upstream: URL, connectTimeout: number): Http {
  const connectFailures = new WeakSet<Error>()
  let opening: Promise<Lines> | null = null
  const lines = () => (opening ??= openLines(connectTimeout, connectFailures))
  const prefix = upstream.pathname.replace(/\/+$/, '')

  async function get(request: HttpRequest) {
    const { kept } = await lines()
    const progress: Progress = { connected: true, sent: true }
    try {
      return await exchange(kept, request, null, progress)
    } catch (error) {
      if (!(error instanceof Unanswered) || error.kind !== 'cut') throw error
      return await exchange(kept, request, null, progress)
    }
  }

  async function post(request: HttpRequest) {
    const { connect, lineTo } = await lines()
    // The connector returns its socket, though its type says nothing: a socket that is still connecting outlives its client.
    let socket: Socket | undefined
    const connectLine: buildConnector.connector = (options, done) => {
      socket = connect(options, done) as unknown as Socket
    }
    const line = lineTo(upstream.origin, connectLine)
    const progress: Progress = { connected: false, sent: false }
    const [body, headers] = bodyOf(request)
    line.once('connect', () => {
      progress.connected = true
    })
    // Written behind the last byte of the body: it is called back when the system has taken all before it.
    body.once('end', () =>
      socket?.write('', error => {
        progress.sent ||= !error
      }),
    )
    const close = () => {
      line.destroy().catch(() => undefined)
      if (!progress.connected) socket?.destroy(new Error('closed'))
    }
    try {
      return await exchange(line, { ...request, headers }, body, progress, close)
    } catch (error) {
      close()
      throw error
    }
  }

  async function exchange(
    line: Dispatcher,
    request: HttpRequest,
    body: Readable | null,
    progress: Progress,
    closeLine?: () => void,
  ): Promise<HttpReply> {
    const deadline = AbortSignal.timeout(request.timeouts.total)
    const named = (error: unknown) => {
      if (error instanceof Error && connectFailures.has(error)) progress.connected = progress.sent = false
      return unanswered(error, progress, request.signal, deadline)
    }
    const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline
    try {
      signal.throwIfAborted()
      const asked = line.request({
        origin: upstream.origin,
        path: prefix + request.path,
        method: request.method,
        headers: { 'accept-encoding': 'identity', ...request.headers },
        body,
        signal,
        headersTimeout: request.timeouts.headers,
        bodyTimeout: request.timeouts.idle,
      })
      const reply = await orAborted(asked, signal)
      reply.body.on('error', () => undefined)
      const header = (name: string) => [reply.headers[name] ?? ''].flat().join(', ')
      const close = () => {
        reply.body.destroy()
        closeLine?.()
      }
      return {
        status: reply.statusCode,
        header,
        body: read(decoded(reply.body, header('content-encoding')), close, named),
        close,
      }
    } catch (error) {
      throw named(error)
    }
  }

  return {
    send: request => (request.method === 'GET' ? get(request) : post(request)),
    close: async () => (await opening)?.kept.close(),
  }
}

interface Lines {
  connect: buildConnector.connector
  kept: Agent
  lineTo(origin: string, connect: buildConnector.connector): Client
}

/** undici is loaded with the first request. What fails to connect is noted in `failures`. */
async function openLines(timeout: number, failures: WeakSet<Error>): Promise<Lines> {
  const undici = await import('undici')
  const connector = undici.buildConnector({ allowH2: false, timeout })
  const connect: buildConnector.connector = (options, done) =>
    connector(options, (...[error, socket]) => {
      if (error) failures.add(error)
      if (error) done(error, null)
      else done(null, socket)
    })
  const options = { allowH2: false, pipelining: 1 }
  return {
    connect,
    kept: new undici.Agent({ ...options, connect, connections: 64, keepAliveTimeout: 5_000 }),
    lineTo: (origin, line) => new undici.Client(origin, { ...options, connect: line }),
  }
}

/** The whole body; a RangeError beyond `limit` bytes, `Unanswered` when it stops early. */
export async function readBody(reply: HttpReply, limit: number): Promise<Buffer> {
  const bytes = growingBytes(limit)
  for await (const chunk of reply.body) bytes.append(chunk)
  return bytes.take()
}

/** How far a request has come. */
interface Progress {
  connected: boolean
  sent: boolean
}

/** The body as a stream, whose end can be heard, and the headers that go with it. */
function bodyOf({ body = '', headers }: HttpRequest): [Readable, Record<string, string>] {
  const closing = { ...headers, connection: 'close' }
  if (typeof body === 'object' && Symbol.asyncIterator in body) {
    return [Readable.from(body, { objectMode: false }), closing]
  }
  const bytes = Buffer.from(body)
  return [Readable.from([bytes], { objectMode: false }), { ...closing, 'content-length': String(bytes.length) }]
}

/** undici heeds a signal only once the connection stands. */
async function orAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([asked, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function* read(body: Readable, close: () => void, named: (error: unknown) => Error): AsyncGenerator<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>
  } catch (error) {
    // What had arrived before the connection broke and waited for its reader: a stream's own iterator drops it.
    for (let chunk: unknown = body.read(); Buffer.isBuffer(chunk); chunk = body.read()) yield chunk
    throw named(error)
  } finally {
    close()
  }
}

/** We ask for no compression, but the gateway relays what its upstream chose. */
function decoded(body: Readable, encoding: string): Readable {
  const unpackers = {
    gzip: createGunzip,
    deflate: createInflate,
    br: createBrotliDecompress,
    zstd: createZstdDecompress,
  }
  const name = encoding.trim().toLowerCase()
  if (!Object.hasOwn(unpackers, name)) return body
  const unpacked = unpackers[name as keyof typeof unpackers]()
  // Whoever reads hears of it; a body that nobody reads must not end the process.
  unpacked.on('error', () => undefined)
  body.on('error', error => unpacked.destroy(error instanceof Error ? error : new Error(String(error))))
  return body.pipe(unpacked)
}

function unanswered(
  error: unknown,
  { connected, sent }: Progress,
  caller: AbortSignal | undefined,
  deadline: AbortSignal,
): Unanswered {
  if (error instanceof Unanswered) return error
  if (caller?.aborted) return new Unanswered('aborted', sent, 'the caller gave up')
  if (deadline.aborted) return new Unanswered('timeout', sent, 'total time')
  if (!connected) return new Unanswered('unreachable', false, error)
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return new Unanswered('timeout', sent, error)
  return new Unanswered('cut', sent, error)
}
