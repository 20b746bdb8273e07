import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import type { Logger } from '../log.ts'
import { isOfBudget } from '../spend/budgets.ts'
import { type Refusal, toRefusal, unsetContent } from '../web/errors.ts'
import { preferredLanguage, type Translate, translator } from '../web/i18n.ts'
import { loggedPath } from '../web/request-log.ts'
import { hearOut } from './body.ts'
import { Problem, type Reason } from './problem.ts'

/** Clients parse every answer of these routes as this envelope. */
export function succeed(res: Response, data: object, status: 200 | 202 = 200): void {
  res.status(status).json({ code: 0, message: status === 202 ? 'accepted' : 'success', data })
}

/** The language of its messages: by `Accept-Language`, since there is no page and no cookie. */
export function wordsFor(req: Request): Translate {
  return translator(preferredLanguage(req.get('Accept-Language')))
}

export const jsonOnly: RequestHandler = (_req, res, next) => {
  res.set({ 'Cache-Control': 'no-store', Vary: 'Accept-Language, Authorization' })
  next()
}

export const noSuchRoute: RequestHandler = () => {
  throw new Problem(404, 'not_found', 'agents.no_such_route')
}

export function onlyMethods(...methods: string[]): RequestHandler {
  return (_req, res) => {
    res.set('Allow', methods.join(', '))
    throw new Problem(405, 'method_not_allowed', 'agents.method_not_allowed', {
      params: { methods: methods.join(', ') },
    })
  }
}

/** Whatever happens, the answer is JSON. */
export function jsonErrors(log: Logger): ErrorRequestHandler {
  return async (error: unknown, req, res, next) => {
    const problem = toProblem(error, res)
    if (problem.status >= 500) {
      log.error(
        { err: error, requestId: res.locals.requestId, method: req.method, path: loggedPath(req) },
        'request failed',
      )
    }
    if (res.headersSent) return next(error)
    await hearOut(req)
    unsetContent(res)
    if (problem.status === 401) res.set('WWW-Authenticate', 'Bearer realm="sub2api-playground"')
    if (problem.retryAfter !== undefined) res.set('Retry-After', String(problem.retryAfter))
    res
      .status(problem.status)
      .set('Cache-Control', 'no-store')
      .json({
        code: problem.status,
        message: wordsFor(req)(problem.key, problem.params),
        reason: problem.reason,
        ...(problem.field && { field: problem.field }),
        ...(problem.retryAfter !== undefined && { retry_after: problem.retryAfter }),
      })
  }
}

function toProblem(error: unknown, res: Response): Problem {
  if (error instanceof Problem) return error
  // A path that cannot be decoded names nothing.
  if (error instanceof URIError) return new Problem(404, 'not_found', 'errors.not_found')
  const refusal = toRefusal(error, res)
  const { status, key, params, retryAfter } = refusal
  const more = { params, ...(retryAfter !== undefined && { retryAfter }) }
  // The form's 422 is a mistake in the request here.
  return new Problem(status === 422 ? 400 : status, isOfBudget(refusal) ? 'budget' : reasonOf(status, key), key, more)
}

function reasonOf(status: number, key: Refusal['key']): Reason {
  return reasonByKey[key] ?? reasonByStatus[status] ?? (status >= 500 ? 'internal' : 'invalid_request')
}

const reasonByKey: Partial<Record<Refusal['key'], Reason>> = {
  'images.blocked.no_key': 'no_api_key',
  'images.blocked.group_no_images': 'group_no_images',
  'images.blocked.no_group': 'group_no_images',
  'images.blocked.other_platform': 'group_no_images',
  'images.blocked.gone': 'key_invalid',
  'images.blocked.inactive': 'key_invalid',
  'images.blocked.disabled': 'key_invalid',
  'images.blocked.expired': 'key_expired',
  'images.blocked.quota_exhausted': 'key_quota',
  'images.too_many_queued': 'too_many_queued',
  'library.storage.full': 'storage_full',
  'operators.maintenance.refused': 'maintenance',
}
const reasonByStatus: Record<number, Reason> = {
  404: 'not_found',
  413: 'too_large',
  429: 'rate_limited',
  502: 'gateway',
  503: 'unavailable',
}
