import type { Config } from '../config.ts'
import type { Account } from './queries.ts'

type Previews = Config['partialImages']

/**
 * How many previews come with an edit, 0 for none: as the person has chosen, else as the operator. An edit with previews
 * is streamed, and gateways bill it by tokens on API-key accounts.
 */
export function editPreviews(
  config: Pick<Config, 'partialImages' | 'partialImagesEdits'>,
  account: Pick<Account, 'editPreviews'> | null,
): Previews {
  const isWanted = account?.editPreviews ?? config.partialImagesEdits > 0
  return isWanted ? config.partialImagesEdits || config.partialImages || 1 : 0
}

// US dollars per million tokens at OpenAI's public prices for gpt-image-2; what each picture that goes along counts, and
// each preview that comes back.
const PRICES = { text: 5, pictureIn: 8, out: 30 }
const TOKENS = { prompt: 20, reference: 323, preview: 100 }
const detail: Record<string, number> = { low: 16, medium: 48, high: 96 }

/**
 * About what an edit costs where its tokens are billed, in US dollars before the rate of the key's group. Output tokens
 * by OpenAI's formula for the model; a size or quality that the model chooses counts as 1024² or as high.
 */
export function editTokenCost(edit: {
  size: string
  quality: string
  n: number
  references: number
  previews: number
}): number {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(edit.size) ?? [null, '1024', '1024']
  const [short, long] = [Number(width), Number(height)].toSorted((a, b) => a - b) as [number, number]
  const q = detail[edit.quality] ?? detail.high!
  const picture = Math.ceil((q * Math.round((q * short) / long) * (2_000_000 + short * long)) / 4_000_000)
  const out = edit.n * (picture + edit.previews * TOKENS.preview)
  const micros = out * PRICES.out + edit.references * TOKENS.reference * PRICES.pictureIn + TOKENS.prompt * PRICES.text
  return micros / 1e6
}
