import type { RequestHandler, Response } from 'express'

/** What a document may load: our own files, nothing inline, nothing evaluated. `blob:` is the previews of chosen files. */
const documentPolicy = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'blob:'],
  'connect-src': ["'self'"],
  'form-action': ["'self'"],
  'manifest-src': ["'self'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'none'"],
} as const
type Directive = keyof typeof documentPolicy | 'frame-src'

/** Headers of every answer. What is not a document may load nothing at all. `pictures`: origins that pages show pictures from; `embedOrigin`: whose pages may frame ours. */
export function securityHeaders(options: {
  https: boolean
  pictures: readonly string[]
  embedOrigin: string | null
}): RequestHandler {
  return (_req, res, next) => {
    res.locals.pictureOrigins = options.pictures
    res.locals.embedOrigin = options.embedOrigin
    res.set('X-Content-Type-Options', 'nosniff')
    if (options.https) res.set('Strict-Transport-Security', 'max-age=31536000')
    next()
  }
}

/** Headers of a page; `extra` adds sources for what only this page needs. */
export function documentHeaders(res: Response, extra: Partial<Record<Directive, string[]>> = {}): void {
  const ancestor = res.locals.embedOrigin as string | null | undefined
  const base = ancestor ? { ...documentPolicy, 'frame-ancestors': [ancestor] } : documentPolicy
  const names = new Set([...Object.keys(documentPolicy), ...Object.keys(extra)]) as Set<Directive>
  const policy = [...names].map(name =>
    [
      name,
      ...(name === 'frame-src' ? [] : base[name]),
      ...(name === 'img-src' ? ((res.locals.pictureOrigins as string[] | undefined) ?? []) : []),
      ...(extra[name] ?? []),
    ].join(' '),
  )
  res.set({
    'Content-Security-Policy': policy.join('; '),
    // It cannot name anybody.
    ...(ancestor ? {} : { 'X-Frame-Options': 'DENY' }),
    'Referrer-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'Cache-Control': 'no-store',
    Vary: 'HX-Request, Accept-Language, Cookie, Accept-Encoding',
  })
}
