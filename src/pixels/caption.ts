import { onPixels } from './digest.ts'
import type { SharpModule } from './exact.ts'

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** Words as black pixels on nothing, wrapped at `width` px and cut after `height`; null for none that show. A point is 2 px. */
export async function drawWords(
  sharp: SharpModule,
  words: string,
  { width, height, points }: { width: number; height: number; points: number },
): Promise<Buffer | null> {
  const text = words.replaceAll(/[&<>]/g, letter => escapes[letter]!)
  if (!text.trim()) return null
  const drawn = sharp({ text: { text, font: `sans ${points}`, width, rgba: true, dpi: 144, wrap: 'word-char' } })
  const { data, info } = await drawn.png().toBuffer({ resolveWithObject: true })
  if (info.height <= height && info.width <= width) return data
  const part = { left: 0, top: 0, width: Math.min(info.width, width), height: Math.min(info.height, height) }
  return sharp(data).extract(part).png().toBuffer()
}

let probing: Promise<boolean> | null = null

/** Whether the fonts of this machine have Chinese letters: of those that they lack all are boxes of one size. */
export function hasChineseLetters(): Promise<boolean> {
  probing ??= onPixels(async sharp => {
    const sizes = await Promise.all(
      ['\ue6fd', '国', '语', '图'].map(async text => {
        const { info } = await sharp({ text: { text, font: 'sans 11', dpi: 144 } })
          .png()
          .toBuffer({ resolveWithObject: true })
        return `${info.width}x${info.height}`
      }),
    )
    return new Set(sizes).size > 1
  }).catch(() => false)
  return probing
}
