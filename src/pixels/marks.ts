import { onPixels } from './digest.ts'
import { encodeExactly, type Raw } from './exact.ts'
import { readWhole } from './whole.ts'

/** In pixels of the picture. A circle fills the box of both places, an arrow points from the first to the second, a dot is at the first. */
export interface Mark {
  kind: 'circle' | 'arrow' | 'dot'
  /** `#rrggbb`. */
  color: string
  x: number
  y: number
  x2: number
  y2: number
}

/** A copy of a picture with marks on it, each with a white rim, so that it shows on anything. Throws `Animated` and `NotAPicture`. */
export function drawMarks(source: Buffer, marks: readonly Mark[]): Promise<Buffer> {
  return onPixels(async (sharp, decoding) => {
    const picture = await readWhole(sharp, decoding, source)
    const stroke = strokeOf(picture)
    for (const mark of marks) {
      const distance = distanceTo(mark, stroke)
      paint(picture, mark, distance, stroke * 0.85, '#ffffff')
      paint(picture, mark, distance, stroke * 0.5, mark.color)
    }
    return encodeExactly(sharp, picture)
  })
}

/** How wide a line is: to be seen in a picture of that size. */
function strokeOf({ width, height }: Raw): number {
  return Math.max(4, Math.max(width, height) / 160)
}

type Distance = (x: number, y: number) => number

function distanceTo({ kind, x, y, x2, y2 }: Mark, stroke: number): Distance {
  if (kind === 'dot') return (px, py) => Math.max(0, Math.hypot(px - x, py - y) - 2 * stroke)
  if (kind === 'circle') {
    const [cx, cy] = [(x + x2) / 2, (y + y2) / 2]
    const [rx, ry] = [Math.max(stroke, Math.abs(x2 - x) / 2), Math.max(stroke, Math.abs(y2 - y) / 2)]
    return (px, py) => {
      const [dx, dy] = [px - cx, py - cy]
      const reach = Math.hypot(dx / rx, dy / ry)
      // To first order: the value of the ellipse over the length of its gradient.
      return reach < 1e-6 ? Math.min(rx, ry) : (Math.abs(reach - 1) * reach) / Math.hypot(dx / rx ** 2, dy / ry ** 2)
    }
  }
  const angle = Math.atan2(y2 - y, x2 - x)
  const head = 5 * stroke
  const barb = (turn: number): Distance =>
    toLine(x2, y2, x2 - head * Math.cos(angle + turn), y2 - head * Math.sin(angle + turn))
  const lines = [toLine(x, y, x2, y2), barb(0.5), barb(-0.5)]
  return (px, py) => Math.min(...lines.map(line => line(px, py)))
}

function toLine(x: number, y: number, x2: number, y2: number): Distance {
  const [dx, dy] = [x2 - x, y2 - y]
  const length = dx * dx + dy * dy
  return (px, py) => {
    const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((px - x) * dx + (py - y) * dy) / length))
    return Math.hypot(px - x - along * dx, py - y - along * dy)
  }
}

function paint(picture: Raw, mark: Mark, distance: Distance, reach: number, color: string): void {
  const { data, width, height, channels } = picture
  const levels = [1, 3, 5].map(at => Number.parseInt(color.slice(at, at + 2), 16))
  const margin = 6 * strokeOf(picture)
  const within = (value: number, most: number) => Math.round(Math.min(most, Math.max(0, value)))
  const [left, right] = [
    within(Math.min(mark.x, mark.x2) - margin, width),
    within(Math.max(mark.x, mark.x2) + margin, width),
  ]
  const [top, bottom] = [
    within(Math.min(mark.y, mark.y2) - margin, height),
    within(Math.max(mark.y, mark.y2) + margin, height),
  ]
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const share = Math.min(1, Math.max(0, reach + 0.5 - distance(x, y)))
      if (share === 0) continue
      const at = (y * width + x) * channels
      for (const [channel, level] of levels.entries()) {
        data[at + channel] = Math.round(data[at + channel]! * (1 - share) + level * share)
      }
      if (channels === 4) data[at + 3] = Math.max(data[at + 3]!, Math.round(255 * share))
    }
  }
}
