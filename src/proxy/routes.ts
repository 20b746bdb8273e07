import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { Refusal } from '../web/errors.ts'
import { passOn } from './pass-on.ts'

/** What a log and a count may call by name: no more of a path, which may hold anything. */
const named = new Set([
  '/v1/models',
  '/v1/responses',
  '/v1/chat/completions',
  '/v1/messages',
  '/v1/usage',
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1/images/generations/async',
  '/v1/images/edits/async',
])
const pictures = ['/images/generations', '/images/edits', '/images/generations/async', '/images/edits/async']

/**
 * For tools that are pointed at this origin instead of at the gateway's: its panel, its models, and the picture routes that
 * it has without a prefix. Before everything that knows who is signed in: nothing here is asked in anybody's name.
 */
export function proxyRoutes(deps: Pick<Deps, 'config' | 'log'>): Router {
  const router = Router({ caseSensitive: true, strict: true })
  const pass = passOn(deps)

  router.use(refuseOtherTargets)
  router.all(
    /^\/v1\//,
    name(path => (named.has(path) ? path : '/v1/*')),
    refuseSteps,
    pass,
  )
  router.all(
    /^\/api\/v1\//,
    name(() => '/api/v1/*'),
    refuseSteps,
    pass,
  )
  router.post(
    pictures,
    withKey,
    name(path => path),
    pass,
  )
  router.get(
    /^\/images\/tasks\/[^/]+$/,
    withKey,
    name(() => '/images/tasks/:id'),
    refuseSteps,
    pass,
  )
  return router
}

/** `http://elsewhere/`, `//elsewhere` and `/\elsewhere` name a host in a place where there must be none. */
const refuseOtherTargets: RequestHandler = (req, res, next) => {
  if (/^\/(?![/\\])[^#]*$/.test(req.url)) return next()
  res.locals.route = 'refused'
  throw new Refusal(400, 'errors.bad_request')
}

/** `..`, however it is written, means another path to who resolves it than to who does not. */
const refuseSteps: RequestHandler = (req, _res, next) => {
  const path = req.path.replace(/%2e/gi, '.').replace(/%2f|%5c|\\/gi, '/')
  if (!/\/\.\.?(\/|$)/.test(path)) return next()
  throw new Refusal(400, 'errors.bad_request')
}

/** All else at these addresses is ours, also behind a proxy that has the browser send a password of its own. */
function withKey(req: Request, _res: Response, next: (how?: 'route') => void): void {
  next(/^Bearer /i.test(req.headers.authorization ?? '') ? undefined : 'route')
}

function name(nameOf: (path: string) => string): RequestHandler {
  return (req, res, next) => {
    res.locals.route = nameOf(req.path)
    next()
  }
}
