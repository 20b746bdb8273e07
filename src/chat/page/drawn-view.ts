import type { StoredFile } from '../../library/file-queries.ts'
import { escapeHtml } from '../../web/render.ts'
import type { Waiting } from '../answer/drawn-queries.ts'
import type { Attachment } from '../message-queries.ts'
import type { DrawnView } from './view.ts'

const place = /<span class="drawn" data-n="(\d{1,2})">([^<]*)<\/span>/g
const THUMB_EDGE = 480

/**
 * The HTML of an answer with its pictures in their places, and those that have none behind it; and what is to be said of
 * the rest. A place stays as it is while its picture has not come.
 */
export function placeDrawn(
  html: string,
  attachments: readonly Attachment[],
  waiting: readonly Waiting[],
  files: ReadonlyMap<string, StoredFile>,
): { html: string; drawn: DrawnView } {
  const left = new Map(attachments.map(each => [each.position, each]))
  const waits = new Set(waiting.map(each => each.position))
  let missing = 0
  const placed = html.replace(place, (whole, number: string, name: string) => {
    const attachment = left.get(Number(number) - 1)
    left.delete(Number(number) - 1)
    if (attachment?.textId) return ''
    const shown = attachment?.token && files.get(attachment.token)
    if (!shown && !waits.has(Number(number) - 1)) missing++
    return shown ? picture(shown, name || escapeHtml(attachment.name)) : whole
  })
  const behind = [...left.values()].flatMap(({ token, name }) => {
    const file = token ? files.get(token) : null
    return file ? picture(file, escapeHtml(name)) : []
  })
  return {
    html: behind.length > 0 ? `${placed}<p>${behind.join(' ')}</p>\n` : placed,
    drawn: {
      letters: attachments.flatMap(({ textId, name }) => (textId ? { url: `/chat/texts/${textId}`, name } : [])),
      hasPreview: attachments.some(each => each.isPreview),
      waits: waiting.length === 0 ? null : waiting.some(each => each.isSilent) ? 'away' : 'store',
      isMissing: missing > 0,
    },
  }
}

/** `name` as HTML. */
function picture({ token, width, height }: StoredFile, name: string): string {
  const scale = Math.min(1, THUMB_EDGE / Math.max(width, height))
  const size = `width="${Math.round(width * scale)}" height="${Math.round(height * scale)}"`
  const address = `/files/${token}`
  return `<a class="drawn-picture" href="${address}" target="_blank"><img src="${address}/thumb" alt="${name}" ${size} loading="lazy" decoding="async"></a>`
}
