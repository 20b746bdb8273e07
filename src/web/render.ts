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
  const html = eta.render(`/${view}`, { ...page, ...data })
  // With it a frame in another site's page fetches the file without the cookie that it has. The answer says enough.
  return page.framed ? html.replace(/(<a\b[^>]*) download(?=[\s>])/g, '$1') : html
}

export function escapeHtml(text: string): string {
  if (text.length > LONG) return escapeBytes(Buffer.from(text)).toString()
  return /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, character => entities[character]!) : text
}

/** A third of the time where much has to be escaped: what somebody typed may be millions of quotation marks. */
function escapeBytes(from: Buffer): Buffer {
  let size = from.length
  for (let each = 0; each < from.length; each++) size += extra[from[each]!]!
  const to = Buffer.allocUnsafe(size)
  let at = 0
  for (let each = 0; each < from.length; each++) {
    const byte = from[each]!
    const more = extra[byte]!
    if (more === 0) to[at++] = byte
    else for (let letter = 0; letter <= more; letter++) to[at++] = escaped[byte]![letter]!
  }
  return to
}

const LONG = 10_000
const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = Array.from({ length: 256 }, (_, byte) => Buffer.from(entities[String.fromCharCode(byte)] ?? ''))
/** Bytes that each byte becomes, beyond the one that it is. */
const extra = Uint8Array.from(escaped, entity => Math.max(0, entity.length - 1))
