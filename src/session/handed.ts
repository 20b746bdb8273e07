import type { RequestHandler, Response } from 'express'
import { Secret } from '../secrets/secret.ts'
import { languages } from '../web/i18n.ts'
import { localPath } from '../web/parse.ts'

/** What the gateway's site puts into the address of a page that it opens from its menu. */
const fixed = ['user_id', 'token', 'theme', 'lang', 'ui_mode', 'src_host', 'src_url']

/** A person as the gateway's menu hands them over: nothing of it is believed but what the gateway says of the token. */
export interface Handed {
  token: Secret
  theme: string | null
  language: (typeof languages)[number] | null
  /** The address that was meant, without any of this. */
  next: string
}

export const HAND_OVER = '/hand-over'

/**
 * Takes a token out of the address before anything else sees it: from here on the request is one for `/hand-over`, whatever
 * page was meant, and whether or not people may come this way.
 */
export const takeHanded: RequestHandler = (req, res, next) => {
  const at = req.url.indexOf('?')
  const isRead = req.method === 'GET' || req.method === 'HEAD'
  const query = new URLSearchParams(at < 0 || !isRead ? '' : req.url.slice(at))
  const token = query.get('token')
  if (!token || !['user_id', 'ui_mode', 'src_host'].some(name => query.has(name))) return next()
  const [theme, lang] = [query.get('theme'), query.get('lang')]
  for (const name of fixed) query.delete(name)
  const path = req.url.slice(0, at)
  const meant = localPath(query.size > 0 ? `${path}?${query.toString()}` : path, '/')
  res.locals.handed = {
    token: new Secret(token),
    theme: theme === 'dark' || theme === 'light' ? theme : null,
    language: languages.find(each => lang?.toLowerCase().startsWith(each.slice(0, 2))) ?? null,
    next: meant.startsWith(HAND_OVER) ? '/' : meant,
  } satisfies Handed
  req.url = HAND_OVER
  req.originalUrl = HAND_OVER
  next()
}

export function handedTo(res: Response): Handed | null {
  return (res.locals.handed as Handed | undefined) ?? null
}
