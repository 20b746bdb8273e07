import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import { DatabaseUnavailable } from '../db/errors.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { Logger } from '../log.ts'
import { StorageError } from '../storage/errors.ts'
import type { Key, Translate } from './i18n.ts'
import { translator } from './i18n.ts'
import type { Page } from './page.ts'
import { pageBehind, render, renderView, sendFragments, wantsFragment } from './render.ts'
import { loggedPath } from './request-log.ts'
import { binarySize } from './text.ts'
import { plainFields, typedForm } from './typed-form.ts'

/** Where what is in the way can be changed. */
export interface See {
  href: string
  words: Key
}

/** Why something was refused, as a form shows it. */
export interface Said {
  sentence: string
  see: See | null
}

/** An answer we chose: a status and a sentence for its reader, in their language. */
export class Refusal extends Error {
  readonly status: number
  readonly key: Key
  readonly params: Record<string, unknown>
  /** Seconds until it is worth trying again; sent as `Retry-After`. */
  readonly retryAfter: number | undefined
  readonly see: See | null

  constructor(
    status: number,
    key: Key,
    params: Record<string, unknown> = {},
    retryAfter?: number,
    see: See | null = null,
  ) {
    super(key)
    this.status = status
    this.key = key
    this.params = params
    this.retryAfter = retryAfter
    this.see = see
  }
}

export function saidOf({ key, params, see }: Refusal, t: Translate): Said {
  return { sentence: t(key, params), see }
}

/** The same may be asked again in a while, as it is. */
export function isForLater({ status }: Refusal): boolean {
  return status === 429 || status === 503
}

/** As in `public/js/again.js`. */
const PAGE_TRIES_AGAIN_SECONDS = 10

/** The page sends it again by itself and still has all that was typed: what is turned away in a crowd is answered in few words. */
export function isForPage(req: Request, { status, retryAfter = 0 }: Refusal): boolean {
  return status === 503 && retryAfter <= PAGE_TRIES_AGAIN_SECONDS && wantsFragment(req)
}

export const notFound: RequestHandler = () => {
  throw new Refusal(404, 'errors.not_found')
}

/** Every error becomes a page, a fragment or JSON, whichever the request wanted; a bug shows its request id, nothing more. */
export function errorHandler(log: Logger): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    const refusal = toRefusal(error, res)
    // An answer we chose is no fault to look into; a crowd of them least of all.
    if (refusal.status >= 500 && !(error instanceof Refusal)) {
      log.error(
        { err: error, requestId: res.locals.requestId, method: req.method, path: loggedPath(req) },
        'request failed',
      )
    }
    // Too late for another status: Express destroys the connection, so that half an answer is not taken for a whole one.
    if (res.headersSent) return next(error)
    unsetContent(res)
    if (refusal.retryAfter !== undefined) res.set('Retry-After', String(refusal.retryAfter))
    res.status(refusal.status).set('Cache-Control', 'no-store')
    answer(req, res, refusal)
  }
}

const headersOfContent = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Length',
  'Content-Range',
  'Content-Type',
  'ETag',
]

/** Set for an answer that failed afterwards, they would describe the error: as a file to download, say. */
export function unsetContent(res: Response): void {
  for (const name of headersOfContent) res.removeHeader(name)
}

function answer(req: Request, res: Response, refusal: Refusal): void {
  const page = res.locals.page as Page | undefined
  const t = page?.t ?? translator('en')
  const message = t(refusal.key, refusal.params)
  const wantsJson = req.path.startsWith('/api/') || !req.accepts('html')
  if (wantsJson || !page) {
    res.type('json').send({ code: refusal.status, message })
    return
  }
  const data = {
    status: refusal.status,
    title: t(titleKey(refusal.status)),
    message,
    see: refusal.see,
    requestId: refusal.status >= 500 ? String(res.locals.requestId) : null,
  }
  if (wantsFragment(req)) {
    sendFragments(res, renderView(page, '_error', { ...data, back: pageBehind(req) }))
    return
  }
  // Of a form that was let in: what another site made a browser send is not shown to be sent again.
  const typed = req.method === 'POST' && res.locals.signedIn ? (res.locals.typed as readonly string[] | undefined) : []
  render(res, 'error', { ...data, form: typedForm(req.originalUrl, plainFields(req.body), typed ?? []) })
}

function titleKey(status: number): Key {
  const kind = titles.get(status) ?? (status >= 500 ? 'bug' : 'bad_request')
  return `errors.title.${kind}`
}

const titles = new Map<
  number,
  'expired' | 'forbidden' | 'not_found' | 'too_large' | 'rate_limited' | 'gateway' | 'unavailable'
>([
  [401, 'expired'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [413, 'too_large'],
  [429, 'rate_limited'],
  [502, 'gateway'],
  [503, 'unavailable'],
])

/** What an error means for whoever asked. */
export function toRefusal(error: unknown, res: Response): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof DatabaseUnavailable || error instanceof StorageError) {
    return new Refusal(503, 'errors.unavailable', {}, 5)
  }
  if (error instanceof PanelError && error.status === 429) {
    const seconds = Math.max(1, Math.ceil(((error.retryAt?.getTime() ?? 0) - Date.now()) / 1000))
    return new Refusal(429, 'errors.rate_limited', { seconds }, seconds)
  }
  if (error instanceof GatewayError && error.facts.movedTo) {
    return new Refusal(502, 'errors.gateway_moved', { address: error.facts.movedTo })
  }
  // Its status is about our request to the gateway, not about this one.
  if (error instanceof GatewayError || error instanceof PanelError) return new Refusal(502, 'errors.gateway')
  const status = statusOf(error)
  const limit = (error as { limit?: unknown }).limit
  if (status === 413 && typeof limit === 'number')
    return new Refusal(413, 'errors.too_large_for', { size: binarySize(limit) })
  if (status === 413) return new Refusal(413, 'errors.too_large')
  // Body parsers, path decoding: the client's bytes were wrong. Their messages are not ours to show.
  if (status >= 400 && status < 500) return new Refusal(status, 'errors.bad_request')
  return new Refusal(500, 'errors.bug', { id: res.locals.requestId })
}

function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status
  return typeof status === 'number' ? status : 500
}
