import { type CookieOptions, type Request, type RequestHandler, type Response, Router } from 'express'
import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import { type Language, languages, preferredLanguage } from './i18n.ts'
import { createPage, type Page, type Theme, timeZoneNamed } from './page.ts'
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

/** For a cookie that a frame in another site's page keeps, apart from those of our own pages. */
export const acrossSites = { sameSite: 'none', secure: true, partitioned: true } as const

export function preferenceCookie(res: Response, { publicOrigin }: Pick<Config, 'publicOrigin'>): CookieOptions {
  const secure = publicOrigin?.startsWith('https:') ?? false
  const cookie = { maxAge: YEAR_MS, sameSite: 'lax', secure, httpOnly: true, path: '/' } as const
  return (res.locals.page as Page | undefined)?.framed ? { ...cookie, ...acrossSites } : cookie
}

export function preferenceRoutes(config: Pick<Config, 'publicOrigin'>): Router {
  const router = Router()
  router.post('/preferences', (req, res) => {
    const { language, theme, back } = req.body ?? {}
    const cookie = preferenceCookie(res, config)
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
