import { onPixels } from './digest.ts'
import { encodeExactly, type Raw, type SharpModule } from './exact.ts'
import type { Rectangle } from './mask.ts'
import { readWhole } from './whole.ts'

export interface Cut extends Rectangle {
  /** Degrees, clockwise. */
  turn: 0 | 90 | 180 | 270
  /** Left to right, after the turn. */
  mirror: boolean
}

/** The area of a picture as it is shown, turned and mirrored; no pixel is anything but moved. Throws `NotAPicture`. */
export function cutAndTurned(source: Buffer, cut: Cut): Promise<Buffer> {
  return onPixels(async (sharp, decoding) => {
    const whole = await readWhole(sharp, decoding, source)
    return encodeExactly(
      sharp,
      await mirrored(sharp, await turned(sharp, await extracted(sharp, whole, cut), cut), cut),
    )
  })
}

// One step after the other, each on pixels of its own: in one chain the library has an order of its own for them.
const extracted = (sharp: SharpModule, picture: Raw, { x, y, width, height }: Rectangle) =>
  pixelsOf(open(sharp, picture).extract({ left: x, top: y, width, height }))

const turned = async (sharp: SharpModule, picture: Raw, { turn }: Cut) =>
  turn === 0 ? picture : pixelsOf(open(sharp, picture).rotate(turn))

const mirrored = async (sharp: SharpModule, picture: Raw, { mirror }: Cut) =>
  mirror ? pixelsOf(open(sharp, picture).flop()) : picture

function open(sharp: SharpModule, { data, width, height, channels }: Raw) {
  return sharp(data, { raw: { width, height, channels } })
}

async function pixelsOf(picture: ReturnType<SharpModule>): Promise<Raw> {
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height, channels: info.channels === 4 ? 4 : 3 }
}
