import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Deps } from '../deps.ts'

/** What a request set going, by the ids that every later line of the log about it has. */
type Began = { job: string } | { batch: string } | { conversation: string }

/** Has the line of this request name what it began, so that one id leads from the click to the picture. */
export function logBegun(res: Response, began: Began): void {
  res.locals.began = began
}

/** Gives the request its id, logs one line when it is over (a question that is answered with nothing at `debug`) and measures it. Neither query nor body nor header is logged. */
export function requestLog({ log, metrics, traces }: Pick<Deps, 'log' | 'metrics' | 'traces'>): RequestHandler {
  return (req, res, next) => {
    const started = performance.now()
    const requestId = randomUUID()
    res.locals.requestId = requestId
    res.set('X-Request-ID', requestId)
    // An answer that fails after its end, or that nobody hears, must never end the process.
    res.on('error', error => log.warn({ err: error, requestId }, 'an answer could not be sent'))
    res.on('close', () => {
      const ms = performance.now() - started
      const route = res.locals.route ?? (typeof req.route?.path === 'string' ? req.route.path : 'none')
      metrics.requests.observe(
        { method: req.method, route, status: `${Math.floor(res.statusCode / 100)}xx` },
        ms / 1000,
      )
      const began = res.locals.began as Began | undefined
      traces.tell({
        name: 'request',
        from: Date.now() - ms,
        failed: res.statusCode >= 500,
        subject: began && Object.values(began)[0],
        facts: {
          'http.request.method': req.method,
          'http.route': route,
          'http.response.status_code': res.statusCode,
          requestId,
        },
      })
      // What every open page asks all the time, and nothing came of.
      const isQuiet = req.method === 'GET' && res.statusCode === 204
      log[isQuiet ? 'debug' : 'info']({
        requestId,
        method: req.method,
        path: loggedPath(req),
        status: res.statusCode,
        ms: Math.round(ms * 10) / 10,
        bytes: Number(res.get('Content-Length') ?? 0) || undefined,
        user: res.locals.signedIn?.userId,
        ...began,
        ...(res.writableFinished ? {} : { aborted: true }),
      })
    })
    next()
  }
}

/**
 * Without the query. Who knows the token of a picture or of a proof can use it: only its beginning is told; and of a path
 * that is not ours nothing but the name it was given.
 */
export function loggedPath(req: Request): string {
  const name = req.res?.locals.route as string | undefined
  if (name) return name
  return req.path.replace(/\/([\w-]{6})[\w-]{26}(?=\/|$)/g, '/$1…')
}
