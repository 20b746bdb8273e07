import { z } from 'zod'
import type { Group } from '../gateway/schemas.ts'

/** US dollars for one picture by the gateway's billing tiers, multiplier applied. */
export const Prices = z.object({ '1K': z.number(), '2K': z.number(), '4K': z.number() })
export type Prices = z.output<typeof Prices>
export type Tier = keyof Prices

// What sub2api 0.1.179 charges for gpt-image-2 where neither group nor channel sets a price.
const defaults: Prices = { '1K': 0.134, '2K': 0.201, '4K': 0.268 }

/**
 * An estimate: a group may have prices that only its operator sees. `rates`: the user's own multipliers by group id,
 * which stand in for the group's unless its pictures have a rate of their own.
 */
export function pricesOf(group: Group, rates: ReadonlyMap<number, number>): Prices {
  const multiplier = group.imageRateIndependent ? (group.imageRateMultiplier ?? 1) : rateOf(group, rates)
  return {
    '1K': (group.imagePrice1k ?? defaults['1K']) * multiplier,
    '2K': (group.imagePrice2k ?? defaults['2K']) * multiplier,
    '4K': (group.imagePrice4k ?? defaults['4K']) * multiplier,
  }
}

/** What multiplies the price of tokens, and of pictures that have no rate of their own. */
export function rateOf(group: Group, rates: ReadonlyMap<number, number>): number {
  return rates.get(group.id) ?? group.rateMultiplier ?? 1
}

/** The longest edge that is billed by each tier. */
export const tierWithin: Readonly<Record<Tier, number>> = { '1K': 1024, '2K': 2048, '4K': Number.POSITIVE_INFINITY }

/** The gateway's tier of a size by its longest edge; null where only the picture that comes back decides: `auto`. */
export function tierOf(size: string): Tier | null {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(size) ?? []
  if (!width || !height) return null
  const edge = Math.max(Number(width), Number(height))
  return edge <= tierWithin['1K'] ? '1K' : edge <= tierWithin['2K'] ? '2K' : '4K'
}

/** US dollars for one picture. Of `auto` any tier can come back, so its price is known within bounds only. */
export function priceRange(prices: Prices, size: string): { least: number; most: number } {
  const tier = tierOf(size)
  const possible = tier ? [prices[tier]] : Object.values(prices)
  return { least: Math.min(...possible), most: Math.max(...possible) }
}

export function samePrices(a: Prices, b: Prices | null): boolean {
  return b !== null && (Object.keys(a) as Tier[]).every(tier => a[tier] === b[tier])
}
