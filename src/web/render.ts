import path from 'node:path'
import { Eta } from 'eta'
import type { Request, Response } from 'express'
import type { Page } from './page.ts'
import { documentHeaders } from './security.ts'
import type { Views } from './views.gen.ts'

export const viewsFolder = path.join(import.meta.dirname, '../../views')

const eta = new Eta({
  views: viewsFolder,
  cache: true,
  debug: true,
  escapeFunction: value => (value === null || value === undefined ? '' : escapeHtml(String(value as string))),
})

/** Whether htmx asked, and wants a fragment; a restore of history wants the whole page. */
export function wantsFragment(req: Request): boolean {
  return req.get('HX-Request') === 'true' && req.get('HX-History-Restore-Request') !== 'true'
}

/** Path and query of the page of this site that a request was made from; `/` when it does not say. */
export function pageBehind(req: Request): string {
  const referrer = URL.parse(req.get('Referer') ?? '')
  return referrer && referrer.host === req.headers.host ? referrer.pathname + referrer.search : '/'
}

export function pageOf(res: Response): Page {
  return res.locals.page as Page
}

/** Sends a page, with the page's helpers beside its own data. `sources` is what this page alone may load. */
export function render<K extends keyof Views>(
  res: Response,
  view: K,
  data: Views[K],
  sources?: Parameters<typeof documentHeaders>[1],
): void {
  documentHeaders(res, sources)
  res.type('html').send(renderView(pageOf(res), view, data))
}

/** Sends fragments: the first for the target of the request, the others find their own place. */
export function sendFragments(res: Response, ...fragments: string[]): void {
  res.set('Cache-Control', 'no-store').type('html').send(fragments.join('\n'))
}

export function renderView<K extends keyof Views>(page: Page, view: K, data: Views[K]): string {
  return eta.render(`/${view}`, { ...page, ...data })
}

export function escapeHtml(text: string): string {
  return /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, character => entities[character]!) : text
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
