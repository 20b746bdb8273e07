import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Group } from '../gateway/schemas.ts'
import { priceRange, pricesOf, tierOf } from './prices.ts'

const none = new Map<number, number>()
const group = (fields: object) => Group.parse({ id: 7, name: 'A', platform: 'openai', rate_multiplier: 1, ...fields })

test('a group without prices of its own has the gateway’s', () => {
  assert.deepEqual(pricesOf(group({}), none), { '1K': 0.134, '2K': 0.201, '4K': 0.268 })
})

test('the multiplier is the user’s own, else the group’s', () => {
  assert.equal(pricesOf(group({ rate_multiplier: 0.5 }), none)['1K'], 0.067)
  assert.equal(pricesOf(group({ rate_multiplier: 0.5 }), new Map([[7, 2]]))['1K'], 0.268)
  assert.equal(pricesOf(group({ rate_multiplier: 0.5 }), new Map([[8, 2]]))['1K'], 0.067, 'of another group')
})

test('a group whose pictures have a rate of their own heeds no other', () => {
  const own = { image_rate_independent: true, image_rate_multiplier: 0.8, image_price_1k: 0.1, rate_multiplier: 3 }
  const prices = pricesOf(group(own), new Map([[7, 9]]))
  assert.ok(Math.abs(prices['1K'] - 0.08) < 1e-12)
  assert.ok(Math.abs(prices['2K'] - 0.201 * 0.8) < 1e-12, 'what it has no price for')
})

test('a price or a multiplier of zero is free, not missing', () => {
  assert.equal(pricesOf(group({ image_price_1k: 0 }), none)['1K'], 0)
  assert.equal(pricesOf(group({}), new Map([[7, 0]]))['4K'], 0)
})

test('the longest edge decides on the tier', () => {
  const tiers = {
    '1024x1024': '1K',
    '1040x640': '2K',
    '1024x1536': '2K',
    '2048x2048': '2K',
    '2064x1024': '4K',
    '3840x2160': '4K',
    auto: null,
  }
  for (const [size, tier] of Object.entries(tiers)) assert.equal(tierOf(size), tier, size)
})

test('of a size that the model chooses any tier can come back', () => {
  const prices = { '1K': 0.04, '2K': 0.12, '4K': 0.06 }
  assert.deepEqual(priceRange(prices, 'auto'), { least: 0.04, most: 0.12 })
  assert.deepEqual(priceRange(prices, '1024x1024'), { least: 0.04, most: 0.04 })
})
