import type { Dimensions } from '../models/sizes.ts'
import { drawWords } from './caption.ts'
import { onPixels } from './digest.ts'
import type { SharpModule } from './exact.ts'

/** A picture on a contact sheet. */
export interface SheetCell {
  /** WebP, PNG or JPEG. */
  thumbnail: Buffer
  /** Below it: the first is cut to one line, the second is smaller. None where both are empty. */
  caption: readonly [string, string]
}

/** A4 at 200 dpi. */
export const PAGE: Dimensions = { width: 1654, height: 2339 }
const MARGIN = 80
const GAP = 28
const CAPTION = 68

interface Layout {
  columns: number
  hasCaptions: boolean
}

/** Edges of a cell, in px; a picture is within a square. */
function cellOf({ columns, hasCaptions }: Layout) {
  const width = Math.floor((PAGE.width - 2 * MARGIN - (columns - 1) * GAP) / columns)
  return { width, height: width + (hasCaptions ? CAPTION : 0) }
}

/** How many pictures a page takes. */
export function perPage(layout: Layout): number {
  return layout.columns * Math.floor((PAGE.height - 2 * MARGIN + GAP) / (cellOf(layout).height + GAP))
}

/** A page of A4, or, as PNG, one as long as its pictures need. Throws `NotAPicture`. */
export function drawSheet(cells: readonly SheetCell[], layout: Layout, format: 'jpeg' | 'png'): Promise<Buffer> {
  return onPixels(async (sharp, decoding) => {
    const { width, height } = cellOf(layout)
    const rows = Math.ceil(cells.length / layout.columns)
    const long = 2 * MARGIN + rows * (height + GAP) - GAP
    const placed = []
    for (const [index, { thumbnail, caption }] of cells.entries()) {
      const left = MARGIN + (index % layout.columns) * (width + GAP)
      const top = MARGIN + Math.floor(index / layout.columns) * (height + GAP)
      const { data, info } = await sharp(thumbnail, decoding)
        .autoOrient()
        .resize(width, width, { fit: 'inside', withoutEnlargement: true })
        .flatten({ background: '#fff' })
        .png({ compressionLevel: 1 })
        .toBuffer({ resolveWithObject: true })
      const middle = Math.floor((width - info.width) / 2)
      placed.push({ input: data, left: left + middle, top: top + width - info.height })
      if (layout.hasCaptions) placed.push(...(await captionAt(sharp, caption, { left, top: top + width + 8, width })))
    }
    const page = { width: PAGE.width, height: format === 'png' ? long : PAGE.height }
    const sheet = sharp({ create: { ...page, channels: 3, background: '#fff' } }).composite(placed)
    return format === 'png'
      ? sheet.png().toBuffer()
      : sheet.jpeg({ quality: 88, chromaSubsampling: '4:4:4' }).toBuffer()
  })
}

async function captionAt(
  sharp: SharpModule,
  [first, second]: SheetCell['caption'],
  { left, top, width }: { left: number; top: number; width: number },
) {
  const words = await drawWords(sharp, first, { width, height: 30, points: 9 })
  const facts = await drawWords(sharp, second, { width, height: 26, points: 7.5 })
  return [...(words ? [{ input: words, left, top }] : []), ...(facts ? [{ input: facts, left, top: top + 32 }] : [])]
}
