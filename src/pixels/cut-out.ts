import { setImmediate } from 'node:timers/promises'
import { onPixels } from './digest.ts'
import { encodeExactly, type Raw } from './exact.ts'
import { readWhole } from './whole.ts'

export interface Background {
  /** `#rrggbb`: in the middle of what the border shows. */
  color: string
  /** 0 to 1: how much of the border is that colour, or nearly. */
  flat: number
  /** Of the colours that subjects are asked to stand before, the one that is least in the picture. */
  unlike: string
}

/** Colours that hardly anything has. */
const keys = ['#00ff00', '#ff00ff', '#0000ff']
/** Of 255, on average over red, green and blue: what encoders make of one colour. */
const NEARLY = 12
/** In pixels: how wide a border counts. */
const BORDER = 3

type Color = readonly [red: number, green: number, blue: number]

/** What a picture stands before, by its border; of a small copy of it, too. Throws `NotAPicture`. */
export function judgeBackground(source: Buffer): Promise<Background> {
  return onPixels(async (sharp, decoding) => {
    const picture = await readWhole(sharp, decoding, source)
    const color = borderColor(picture)
    const border = borderOf(picture)
    const near = border.filter(at => differs(picture, at, color) <= NEARLY).length
    const amounts = keys.map(key => amountOf(picture, levelsOf(key)))
    return { color: hexOf(color), flat: near / border.length, unlike: keys[amounts.indexOf(Math.min(...amounts))]! }
  })
}

export interface CutOut {
  /** 0 to 100, per cent of the way from black to white: so far from the colour of the border counts as background. */
  tolerance: number
  /** Pixels that an edge is wide: they become partly transparent, and what shines through of the background is taken out. */
  feather: number
  /** Also what is enclosed by the subject. */
  holes: boolean
}

/** `null`: all of it is background. */
export interface Cut {
  picture: Buffer | null
  background: Pick<Background, 'color' | 'flat'>
}

/**
 * Makes the background of a picture transparent: what has the colour of its border and is connected with it. Only at the edge of
 * that are colours changed, so that a subject of a similar colour stays as it is. Throws `Animated` and `NotAPicture`.
 */
export function cutOut(source: Buffer, how: CutOut): Promise<Cut> {
  return onPixels(async (sharp, decoding) => {
    const whole = await readWhole(sharp, decoding, source)
    const picture: Raw = whole.channels === 4 ? whole : { ...whole, data: withAlpha(whole), channels: 4 }
    const color = borderColor(picture)
    const border = borderOf(picture)
    const flat = border.filter(at => differs(picture, at, color) <= NEARLY).length / border.length
    const depth = await flood(picture, color, how)
    const background = { color: hexOf(color), flat }
    if (depth.every(each => each === OUTSIDE)) return { picture: null, background }
    await soften(picture, color, depth, how.feather)
    return { picture: await encodeExactly(sharp, picture), background }
  })
}

const INSIDE = 0
const OUTSIDE = 255
// So many pixels, or rows, at once: others are answered in between.
const AT_ONCE = 1 << 19
const ROWS_AT_ONCE = 64

/** For each pixel: `OUTSIDE` for background, 1 and up for so many steps from it as far as edges reach, `INSIDE` for the rest. */
async function flood(picture: Raw, color: Color, { tolerance, feather, holes }: CutOut): Promise<Uint8Array> {
  const { width, height } = picture
  const limit = tolerance * 2.55
  const depth = new Uint8Array(width * height)
  const queue = new Uint32Array(width * height)
  let end = 0
  const take = (at: number) => {
    if (depth[at] !== INSIDE || differs(picture, at, color) > limit) return
    depth[at] = OUTSIDE
    queue[end++] = at
  }
  if (holes) for (let at = 0; at < depth.length; at++) take(at)
  else {
    for (let x = 0; x < width; x++) for (const y of [0, height - 1]) take(y * width + x)
    for (let y = 0; y < height; y++) for (const x of [0, width - 1]) take(y * width + x)
  }
  for (let from = 0; from < end; from++) {
    if (from % AT_ONCE === 0) await setImmediate()
    for (const at of around(queue[from]!, width, height)) take(at)
  }
  // In rings from there on.
  for (let ring = 1, start = 0; ring <= feather; ring++) {
    const stop = end
    for (let from = start; from < stop; from++) {
      for (const at of around(queue[from]!, width, height)) {
        if (depth[at] !== INSIDE) continue
        depth[at] = ring
        queue[end++] = at
      }
    }
    start = stop
    await setImmediate()
  }
  return depth
}

function around(at: number, width: number, height: number): number[] {
  const x = at % width
  const found: number[] = []
  if (x > 0) found.push(at - 1)
  if (x < width - 1) found.push(at + 1)
  if (at >= width) found.push(at - width)
  if (at < width * (height - 1)) found.push(at + width)
  return found
}

/**
 * A pixel of an edge is subject and background mixed: as far from the background as the most different one near it is, it is all
 * subject. So much of it stays, in the colour that it has without the rest.
 */
async function soften(picture: Raw, color: Color, depth: Uint8Array, feather: number): Promise<void> {
  const { width, height } = picture
  // Of the picture as it was, while it is being changed.
  const original = { ...picture, data: Buffer.from(picture.data) }
  const { data } = picture
  for (let y = 0; y < height; y++) {
    if (y % ROWS_AT_ONCE === 0) await setImmediate()
    for (let at = y * width; at < (y + 1) * width; at++) {
      const ring = depth[at]!
      if (ring === INSIDE) continue
      const share = ring === OUTSIDE ? 0 : shareOfSubject(original, color, depth, at, feather + 1)
      if (share >= 1) continue
      const pixel = at * 4
      data[pixel + 3] = Math.round(data[pixel + 3]! * share)
      for (let channel = 0; channel < 3 && share > 0; channel++) {
        const rest = (data[pixel + channel]! - (1 - share) * color[channel]!) / share
        data[pixel + channel] = Math.min(255, Math.max(0, Math.round(rest)))
      }
    }
  }
}

function shareOfSubject(picture: Raw, color: Color, depth: Uint8Array, at: number, reach: number): number {
  const { width, height } = picture
  const [x, y] = [at % width, Math.floor(at / width)]
  let most = 1
  for (let row = Math.max(0, y - reach); row <= Math.min(height - 1, y + reach); row++) {
    for (let column = Math.max(0, x - reach); column <= Math.min(width - 1, x + reach); column++) {
      const other = row * width + column
      if (depth[other] !== OUTSIDE) most = Math.max(most, differs(picture, other, color))
    }
  }
  return differs(picture, at, color) / most
}

/** 0 to 255: on average over red, green and blue; what is transparent already is background. */
function differs({ data, channels }: Raw, at: number, [red, green, blue]: Color): number {
  const pixel = at * channels
  if (channels === 4 && data[pixel + 3] === 0) return 0
  return (Math.abs(data[pixel]! - red) + Math.abs(data[pixel + 1]! - green) + Math.abs(data[pixel + 2]! - blue)) / 3
}

/** Of each channel the value in the middle: a subject that touches the border changes nothing. */
function borderColor(picture: Raw): Color {
  const border = borderOf(picture)
  const middle = (channel: number) => {
    const levels = border.map(at => picture.data[at * picture.channels + channel]!).sort((a, b) => a - b)
    return levels[Math.floor(levels.length / 2)]!
  }
  return [middle(0), middle(1), middle(2)]
}

function borderOf({ width, height }: Raw): number[] {
  const found: number[] = []
  for (let y = 0; y < height; y++) {
    const isEdge = y < BORDER || y >= height - BORDER
    for (let x = 0; x < width; x++) {
      if (isEdge || x < BORDER || x >= width - BORDER) found.push(y * width + x)
    }
  }
  return found
}

/** How much of a picture is near a colour. */
function amountOf(picture: Raw, color: Color): number {
  let amount = 0
  for (let at = 0; at < picture.width * picture.height; at++) {
    amount += Math.max(0, 128 - differs(picture, at, color))
  }
  return amount
}

function withAlpha({ data, width, height }: Raw): Buffer {
  const all = Buffer.alloc(width * height * 4, 255)
  for (let at = 0; at < width * height; at++) data.copy(all, at * 4, at * 3, at * 3 + 3)
  return all
}

function levelsOf(hex: string): Color {
  return [1, 3, 5].map(at => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Color
}

function hexOf(color: Color): string {
  return `#${color.map(level => level.toString(16).padStart(2, '0')).join('')}`
}
