import { z } from 'zod'

const pixels = z.number().int().min(0)
const area = { x: pixels, y: pixels, width: pixels, height: pixels }

/** How a picture was made of another one, in pixels of that one as it is shown. Each `did` has its words, `library.derived.<did>`. */
export const Derived = z.discriminatedUnion('did', [
  /** The area, then turned clockwise by so many degrees, then mirrored left to right. */
  z.object({ did: z.literal('crop'), ...area, turn: z.literal([0, 90, 180, 270]), mirror: z.boolean() }),
  /** Drawn as large as the area on a canvas of that size, to be extended by a model. */
  z.object({ did: z.literal('extend'), ...area, canvas: z.object({ width: pixels, height: pixels }) }),
  /** Each on a copy for a model, with what it is told of it. */
  z.object({
    did: z.literal('mark'),
    marks: z.array(
      z.object({
        kind: z.enum(['circle', 'arrow', 'dot']),
        name: z.enum(['red', 'blue', 'yellow', 'purple', 'orange', 'black']),
        color: z.string(),
        x: pixels,
        y: pixels,
        x2: pixels,
        y2: pixels,
        words: z.string(),
      }),
    ),
  }),
  /** The background, of the colour of the border, is transparent; `flat`: 0 to 1, how much of the border was that colour. */
  z.object({
    did: z.literal('cut_out'),
    color: z.string(),
    flat: z.number(),
    verdict: z.enum(['flat', 'uneven', 'none']),
    tolerance: z.number(),
    feather: z.number(),
    holes: z.boolean(),
  }),
])
export type Derived = z.output<typeof Derived>

/** Whether it is of use only to start an edit from. */
export function isForModel({ did }: Derived): boolean {
  return did === 'extend' || did === 'mark'
}
