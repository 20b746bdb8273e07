import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { thumbnailName } from '../library/keep.ts'
import type { Picture } from '../library/queries.ts'
import { type Background, cutOut, judgeBackground } from '../pixels/cut-out.ts'
import { Refusal } from '../web/errors.ts'
import { halfWidth } from '../web/typed.ts'
import { keepDerived, readOriginal } from './keep.ts'
import type { CutOutForm, CutOutView } from './view.ts'

/** More comes from cameras, and would take a minute. */
const MOST_PIXELS = 16_777_216
const text = (usual: string) => z.string().max(20).catch(usual)
const Form = z.object({
  tolerance: text('12'),
  feather: text('2'),
  holes: z
    .literal('on')
    .optional()
    .catch(undefined)
    .transform(value => value !== undefined),
})
export const cutOutLimits = { tolerance: 60, feather: 8 }

export function readCutOut(body: unknown): CutOutForm {
  return Form.parse(body ?? {})
}

/** What is to be said of a background before it is taken away. */
export async function viewBackground(deps: Pick<Deps, 'storage'>, picture: Picture): Promise<CutOutView> {
  const { color, flat, unlike } = await backgroundOf(deps, picture)
  return { color, percent: Math.floor(flat * 100), verdict: verdictOn(flat), key: unlike }
}

/** How it came out is said of the picture. */
export function verdictOn(flat: number): CutOutView['verdict'] {
  if (flat >= 0.97) return 'flat'
  return flat >= 0.8 ? 'uneven' : 'none'
}

export async function backgroundOf(deps: Pick<Deps, 'storage'>, picture: Picture): Promise<Background> {
  const thumbnail = await deps.storage.read(thumbnailName(picture.token))
  return judgeBackground(thumbnail ?? (await readOriginal(deps, picture)))
}

/** The id of the picture without its background; null where the form has no numbers that can be meant. Throws `Refusal`. */
export async function keepCutOut(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  picture: Picture,
  form: CutOutForm,
): Promise<string | null> {
  const [tolerance, feather] = [
    readUpTo(form.tolerance, cutOutLimits.tolerance),
    readUpTo(form.feather, cutOutLimits.feather),
  ]
  if (tolerance === null || feather === null) return null
  if (picture.width * picture.height > MOST_PIXELS) throw new Refusal(422, 'derive.cut_out.too_large')
  const how = { tolerance, feather, holes: form.holes }
  return keepDerived(deps, picture, async original => {
    const { picture: bytes, background } = await cutOut(original, how)
    if (!bytes) throw new Refusal(422, 'derive.cut_out.everything')
    return { bytes, derived: { did: 'cut_out', ...how, ...background, verdict: verdictOn(background.flat) } }
  })
}

function readUpTo(typed: string, most: number): number | null {
  const plain = halfWidth(typed).trim()
  return /^\d{1,3}$/.test(plain) && Number(plain) <= most ? Number(plain) : null
}
