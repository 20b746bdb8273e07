import { type Honour, type Parameter, parameters } from '../account/honours.ts'
import { type Prices, priceRange, type Tier, tierOf, tierWithin } from '../account/prices.ts'
import type { Account } from '../account/queries.ts'
import { type Capability, defaultModel, findCapability } from '../models/image-models.ts'
import { dimensionsOf, largestLike, refuseSize } from '../models/sizes.ts'
import type { EditTerms } from './edit-terms.ts'
import { estimateOf } from './estimate.ts'
import { type FormValues, type ImageRequest, readWholeNumber, sizeOf } from './prompt.ts'

/** What would be had for less, or more for the same; US dollars for all that is asked for. */
export type Advice =
  | {
      kind: 'not_honoured'
      honour: Honour
      /** Another of the person's keys, that does as it is told. */
      other: { id: number; name: string } | null
    }
  | { kind: 'no_previews' | 'other_key'; name: string; keyId: number; usd: number; before: number }
  | { kind: 'smaller'; size: string; tier: Tier; usd: number; before: number }
  | { kind: 'larger'; size: string }
const kinds: readonly string[] = [
  'not_honoured',
  'no_previews',
  'other_key',
  'smaller',
  'larger',
] satisfies Advice['kind'][]

export function isAdvice(name: string): boolean {
  return kinds.includes(name)
}

/** What prices show with so many decimals. */
const LEAST_USD = 1e-4
/** A smaller picture is no advice where much is lost: of its edges. */
const LEAST_SCALE = 0.75
/** And a larger one none that nobody would see. */
const LEAST_GAIN = 1.15

type Adviser = Pick<Account, 'keyId' | 'keyName' | 'keyPrices' | 'keyState' | 'otherKeys' | 'hushedAdvice'> &
  Partial<Pick<Account, 'honours' | 'keyGroup'>>
/** Of the form as it stands. */
export function adviceFor(account: Adviser | null, values: FormValues, edit: EditTerms): Advice | null {
  const size = sizeOf(values)
  const n = readWholeNumber(values.n) ?? 1
  const model = findCapability(values.model) ?? defaultModel
  if (refuseSize(model, size)) return null
  const asked = { ...values, size, n }
  // Before all prices: that what is paid for will not be what is asked for.
  const warning = account && notHonoured(account, asked, edit)
  if (warning && !account.hushedAdvice.includes(warning.kind)) return warning
  return adviseOn(account, asked, edit)
}

type Asked = Priced & Pick<ImageRequest, 'format' | 'background'>
type Priced = Pick<ImageRequest, 'model' | 'size' | 'quality' | 'n' | 'references'>

/**
 * The first of what may be advised before paying, by the price list of the key: never dearer, never a size that cannot be
 * made, and in the proportions that were asked for, within three per cent. Null when all is well, or not wanted.
 */
export function adviseOn(account: Adviser | null, request: Priced, edit: EditTerms): Advice | null {
  const prices = account?.keyPrices
  const now = estimateOf(account, request, edit)
  if (!prices || !now) return null
  const model = findCapability(request.model) ?? defaultModel
  const isByTokens = now.byTokens !== null
  const found = [
    withoutPreviews(account, request, edit, now.most),
    isByTokens ? null : otherKey(account, request, now.most),
    ...(isByTokens ? [] : [smaller(model, prices, request), larger(model, prices, request)]),
  ]
  return found.find(advice => advice && !account.hushedAdvice.includes(advice.kind)) ?? null
}

/** Of what this request asks for, the first that the key has not done lately. */
function notHonoured(account: Adviser, asked: Asked, edit: EditTerms): Advice | null {
  const { honours = [], otherKeys } = account
  const [honour] = unhonoured(honours, account, asked, edit)
  if (!honour) return null
  const other = otherKeys.find(
    key => key.allowsImages && ofKey(honours, key.id, key.group, asked.model, honour.parameter)?.verdict === 'honoured',
  )
  return { kind: 'not_honoured', honour, other: other ? { id: other.id, name: other.name } : null }
}

/** Of what this request asks for, all that the key has not done lately. */
export function unhonoured(
  honours: readonly Honour[],
  { keyId, keyGroup }: { keyId: number | null; keyGroup?: string | null },
  { model, size, n, quality, format, background, references }: Asked,
  { previews }: Pick<EditTerms, 'previews'>,
): Honour[] {
  const isAsked: Record<Parameter, boolean> = {
    size: size !== 'auto',
    n: n > 1,
    quality: quality !== 'auto',
    format: format !== 'png',
    background: background !== 'auto',
    previews: references.length > 0 && previews > 0,
  }
  return parameters
    .filter(parameter => isAsked[parameter])
    .flatMap(parameter => ofKey(honours, keyId, keyGroup, model, parameter) ?? [])
    .filter(({ verdict }) => verdict !== 'honoured')
}

function ofKey(
  honours: readonly Honour[],
  id: number | null,
  group: string | null | undefined,
  model: string,
  parameter: Parameter,
): Honour | undefined {
  return honours.find(
    each =>
      each.keyId === id && each.keyGroup === (group ?? '') && each.model === model && each.parameter === parameter,
  )
}

function withoutPreviews(account: Adviser, request: Priced, edit: EditTerms, before: number): Advice | null {
  if (edit.byTokens !== true) return null
  const usd = estimateOf(account, request, { ...edit, previews: 0 })?.most
  if (usd === undefined || before - usd < LEAST_USD) return null
  return { kind: 'no_previews', name: account.keyName ?? '', keyId: account.keyId ?? 0, usd, before }
}

/** Plans cost what they cost: they are not compared. */
function otherKey(account: Adviser, { size, n }: Priced, before: number): Advice | null {
  if (account.keyState?.isPlan) return null
  const priced = account.otherKeys.flatMap(({ id, name, allowsImages, isPlan, prices }) =>
    allowsImages && !isPlan && prices ? [{ id, name, usd: priceRange(prices, size).most * n }] : [],
  )
  const [cheapest] = priced.toSorted((a, b) => a.usd - b.usd)
  if (!cheapest || before - cheapest.usd < LEAST_USD) return null
  return { kind: 'other_key', name: cheapest.name, keyId: cheapest.id, usd: cheapest.usd, before }
}

/** The largest of its shape that is billed a tier lower. */
function smaller({ freeSize }: Capability, prices: Prices, { size, n }: Priced): Advice | null {
  const asked = dimensionsOf(size)
  const [tier, lower] = [tierOf(size), tierBelow(size)]
  if (!freeSize || !asked || !tier || !lower || (prices[tier] - prices[lower]) * n < LEAST_USD) return null
  const less = largestLike(freeSize, asked, tierWithin[lower])
  if (!less || less.width * less.height < asked.width * asked.height * LEAST_SCALE ** 2) return null
  const to = `${less.width}x${less.height}`
  return { kind: 'smaller', size: to, tier: lower, usd: prices[lower] * n, before: prices[tier] * n }
}

/** The largest of its shape that costs no more. */
function larger({ freeSize }: Capability, prices: Prices, { size }: Priced): Advice | null {
  const asked = dimensionsOf(size)
  const tier = tierOf(size)
  if (!freeSize || !asked || !tier) return null
  const top = order.findLast(each => prices[each] <= prices[tier])!
  const more = largestLike(freeSize, asked, tierWithin[top])
  if (!more || more.width * more.height < asked.width * asked.height * LEAST_GAIN) return null
  const to = `${more.width}x${more.height}`
  return prices[tierOf(to)!] <= prices[tier] ? { kind: 'larger', size: to } : null
}

const order: readonly Tier[] = ['1K', '2K', '4K']

function tierBelow(size: string): Tier | null {
  const tier = tierOf(size)
  return (tier && order[order.indexOf(tier) - 1]) ?? null
}
