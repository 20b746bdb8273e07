import pLimit from 'p-limit'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { thumbnailName } from '../library/keep.ts'
import { hasArrived, listPicturesById, type Picture } from '../library/queries.ts'
import { drawSheet, perPage, type SheetCell } from '../pixels/sheet.ts'
import type { Page } from '../web/page.ts'
import { pdfOf } from './pdf.ts'
import type { SheetForm } from './view.ts'

/** So many pictures a file may have. One long PNG of more no program would open gladly. */
export const mostOnSheet = { pdf: 300, png: 60 } as const
const WORDS_SHOWN = 90

export const SheetFields = z.object({
  format: z.enum(['pdf', 'png']).catch('pdf'),
  columns: z.enum(['3', '4', '5', '6']).catch('4'),
  order: z.enum(['oldest', 'newest']).catch('oldest'),
  captions: z
    .literal('on')
    .optional()
    .catch(undefined)
    .transform(value => value !== undefined),
})

// Pages of pictures take a core for a second each.
const oneAtATime = pLimit(1)

/** Of these pictures those that are theirs and can be shown, the oldest first. */
export async function listForSheet(db: Deps['db'], userId: number, ids: readonly string[]): Promise<Picture[]> {
  return (await listPicturesById(db, userId, ids)).filter(hasArrived)
}

/** A contact sheet of these pictures, at most as many as `mostOnSheet` has; what is missing in the store is left out. */
export function makeSheet(
  deps: Pick<Deps, 'storage'>,
  pictures: readonly Picture[],
  form: SheetForm,
  { day }: Pick<Page, 'day'>,
): Promise<Buffer> {
  const layout = { columns: Number(form.columns), hasCaptions: form.captions }
  const ordered = form.order === 'newest' ? pictures.toReversed() : pictures
  const cellsOf = async (some: readonly Picture[]) =>
    (await Promise.all(some.map(picture => cellOf(deps, picture, day)))).filter(cell => cell !== null)
  return oneAtATime(async () => {
    if (form.format === 'png') return drawSheet(await cellsOf(ordered), layout, 'png')
    const pages: Buffer[] = []
    const step = perPage(layout)
    for (let at = 0; at < ordered.length; at += step) {
      pages.push(await drawSheet(await cellsOf(ordered.slice(at, at + step)), layout, 'jpeg'))
    }
    return pdfOf(pages)
  })
}

async function cellOf(deps: Pick<Deps, 'storage'>, picture: Picture, day: Page['day']): Promise<SheetCell | null> {
  const { token, prompt, createdAt, width, height } = picture
  const thumbnail = (await deps.storage.read(thumbnailName(token))) ?? (await deps.storage.read(token))
  const words = Array.from(prompt.replaceAll(/\s+/g, ' ').trim())
  const beginning = words.length > WORDS_SHOWN ? `${words.slice(0, WORDS_SHOWN).join('')}…` : words.join('')
  return thumbnail && { thumbnail, caption: [beginning, `${day(createdAt)} · ${width} × ${height}`] }
}
