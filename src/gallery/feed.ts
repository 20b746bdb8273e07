import type { Response } from 'express'
import { escapeHtml, pageOf } from '../web/render.ts'
import type { ExhibitView } from './view.ts'

/** The newest of the gallery as an Atom feed (RFC 4287), in the reader's language. */
export function sendFeed(res: Response, origin: string, exhibits: readonly ExhibitView[]): void {
  const { t, lang } = pageOf(res)
  const updated = exhibits[0]?.createdAt ?? new Date(0)
  const entries = exhibits.map(exhibit => {
    const by = t('gallery.picture_by', { name: exhibit.author.name })
    const image = `<p><img src="${origin}${exhibit.thumbUrl}" alt=""></p>`
    const words = exhibit.prompt === null ? '' : `<p>${escapeHtml(exhibit.prompt)}</p>`
    return `<entry>
<id>urn:uuid:${exhibit.id}</id>
<title>${text(exhibit.prompt?.slice(0, 80) ?? by)}</title>
<link rel="alternate" type="text/html" href="${origin}${exhibit.url}"/>
<published>${exhibit.createdAt.toISOString()}</published>
<updated>${exhibit.createdAt.toISOString()}</updated>
<author><name>${text(exhibit.author.name)}</name></author>
<content type="html">${text(image + words)}</content>
</entry>`
  })
  res
    .type('application/atom+xml')
    .set('Cache-Control', 'no-cache')
    .send(`<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="${lang}">
<id>${text(`${origin}/gallery`)}</id>
<title>${text(`${t('gallery.title')} · ${t('common.product')}`)}</title>
<link rel="self" type="application/atom+xml" href="${text(`${origin}/gallery/feed.atom`)}"/>
<link rel="alternate" type="text/html" href="${text(`${origin}/gallery`)}"/>
<updated>${updated.toISOString()}</updated>
${entries.join('\n')}
</feed>
`)
}

/** Without the characters that XML has no way to write. */
function text(words: string): string {
  return escapeHtml(words.toWellFormed().replaceAll(/[[\p{Cc}--[\t\n\r]]\ufffe\uffff]/gv, ''))
}
