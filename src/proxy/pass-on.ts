import { type ClientRequest, Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Request, RequestHandler, Response } from 'express'
import type { Deps } from '../deps.ts'
import { callerOf } from '../session/caller.ts'
import { Refusal } from '../web/errors.ts'
import { answerHeaders, hasBody, requestHeaders, type Sender, wentInCircle } from './headers.ts'

const CONNECT_MS = 10_000
/** A picture that is not streamed may be made for a quarter of an hour without a byte. */
const SILENCE_MS = 30 * 60_000

/**
 * Hands the request to the gateway as it is, and its answer back, byte by byte as they come. Nothing is kept and nothing
 * asked twice: only a GET without a body uses a connection that stood open, and another one when that one proved dead.
 */
export function passOn(deps: Pick<Deps, 'config' | 'log'>): RequestHandler {
  const upstream = new URL(deps.config.upstream)
  const prefix = upstream.pathname.replace(/\/+$/, '')
  const [send, Agent] = upstream.protocol === 'https:' ? [httpsRequest, HttpsAgent] : [httpRequest, HttpAgent]
  const kept = new Agent({ keepAlive: true, maxFreeSockets: 16 })

  return (req, res, next) => {
    if (wentInCircle(req.headers)) throw new Refusal(508, 'proxy.circle')
    const coding = req.headers['transfer-encoding']
    // Another coding would arrive as if it were the body itself.
    if (coding !== undefined && coding.toLowerCase() !== 'chunked') throw new Refusal(501, 'errors.bad_request')
    ask(req, res, next)
  }

  function ask(req: Request, res: Response, next: (error: unknown) => void): void {
    const isPlain = (req.method === 'GET' || req.method === 'HEAD') && !hasBody(req.headers)
    const asked = send({
      protocol: upstream.protocol,
      hostname: upstream.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: upstream.port,
      path: prefix + req.url,
      method: req.method,
      headers: requestHeaders(req.headers, req.method, senderOf(req, res)),
      agent: isPlain ? kept : false,
    })
    const progress = watch(asked)
    const leave = () => asked.destroy()
    res.once('close', leave)

    asked.on('response', answer => {
      res.writeHead(answer.statusCode ?? 502, answerHeaders(answer.headers))
      // A short answer is here as a whole: it goes out as one piece, where a stream's head does not wait for its first word.
      setImmediate(() => res.writableEnded || res.destroyed || res.flushHeaders())
      answer.once('error', error => note(error, 'the gateway cut its answer'))
      answer.once('close', () => answer.complete || res.destroy())
      answer.pipe(res)
    })
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (res.headersSent || res.destroyed) return
      if (isPlain && asked.reusedSocket && error.code === 'ECONNRESET') {
        res.off('close', leave)
        return ask(req, res, next)
      }
      note(error, 'the gateway did not answer')
      // Whether it has the request is not known then: who tries again by himself might pay twice.
      if (progress.connected && req.method !== 'GET') res.set('X-Should-Retry', 'false')
      next(new Refusal(progress.timedOut ? 504 : 502, progress.connected ? 'proxy.unknown' : 'proxy.unreachable'))
    })
    // An answer may come before the whole request has: the rest is read, for the next one on this connection.
    asked.once('close', () => {
      req.unpipe(asked)
      req.resume()
    })
    // Who is refused hears it before the body is sent.
    if (!isPlain) asked.flushHeaders()
    req.pipe(asked)

    function note({ code }: NodeJS.ErrnoException, sentence: string): void {
      // No more of the error: the parser's shows the bytes that it refused.
      deps.log.warn({ code, requestId: res.locals.requestId, route: res.locals.route }, sentence)
    }
  }

  function senderOf(req: Request, res: Response): Sender {
    const site = deps.config.publicOrigin ? new URL(deps.config.publicOrigin) : null
    return {
      address: callerOf(req).address,
      protocol: site?.protocol.slice(0, -1) ?? req.protocol,
      host: site?.host ?? null,
      requestId: res.locals.requestId as string,
    }
  }
}

/** How far it has come, and not for ever. */
function watch(asked: ClientRequest): { connected: boolean; timedOut: boolean } {
  const progress = { connected: false, timedOut: false }
  const giveUp = () => {
    progress.timedOut = true
    asked.destroy(new Error('no answer in time'))
  }
  const connecting = setTimeout(giveUp, CONNECT_MS)
  const connected = () => {
    progress.connected = true
    clearTimeout(connecting)
    asked.setTimeout(SILENCE_MS, giveUp)
  }
  asked.once('socket', socket => {
    if (!socket.connecting) return connected()
    socket.once(asked.protocol === 'https:' ? 'secureConnect' : 'connect', connected)
  })
  asked.once('close', () => clearTimeout(connecting))
  return progress
}
