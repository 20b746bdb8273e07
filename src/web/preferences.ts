import { type CookieOptions, type Request, type RequestHandler, Router } from 'express'
import type { Deps } from '../deps.ts'
import { type Language, languages, preferredLanguage } from './i18n.ts'
import { createPage, type Theme, timeZoneNamed } from './page.ts'
import { localPath } from './parse.ts'

const themes: readonly string[] = ['system', 'light', 'dark'] satisfies Theme[]
const YEAR_MS = 365 * 86_400_000

/** Language, theme and time zone of a browser, in cookies: for guests too, and without a flash on the first paint. */
export function pageOfRequest(deps: Pick<Deps, 'staticFiles' | 'config'>): RequestHandler {
  return (req, res, next) => {
    const cookies = readCookies(req)
    const lang = languages.find(language => language === cookies.lang) ?? preferredLanguage(req.get('Accept-Language'))
    res.locals.page = createPage({
      lang: lang as Language,
      theme: themes.includes(cookies.theme ?? '') ? (cookies.theme as Theme) : 'system',
      timeZone: timeZoneNamed(cookies.tz ?? '') ?? 'UTC',
      viewer: null,
      url: req.originalUrl,
      mockGuide: deps.config.mockGuide,
      galleryOpen: deps.config.gallery.open,
      asset: deps.staticFiles.url,
    })
    next()
  }
}

export function preferenceRoutes(options: { https: boolean }): Router {
  const router = Router()
  const cookie: CookieOptions = { maxAge: YEAR_MS, sameSite: 'lax', secure: options.https, httpOnly: true, path: '/' }
  router.post('/preferences', (req, res) => {
    const { language, theme, back } = req.body ?? {}
    if (languages.includes(language)) res.cookie('lang', language, cookie)
    if (themes.includes(theme)) res.cookie('theme', theme, cookie)
    res.redirect(303, localPath(back, '/'))
  })
  return router
}

export function readCookies(req: Request): Record<string, string> {
  const pairs = (req.headers.cookie ?? '').split(';').map(pair => pair.trim().split('=', 2))
  return Object.fromEntries(pairs.map(([name = '', value = '']) => [name, safeDecode(value)]))
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
