import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pictureOf, receiptOf } from '../testing/spend-views.ts'
import type { ReceiptCopy } from './copy-queries.ts'
import { type Judgement, judge, judgements } from './judge.ts'

type Case = [what: string, given: Partial<ReceiptCopy>, verdict: Judgement['verdict'], costs: boolean]

const asked = (size: string, n = 1) => ({ size, n, quality: 'high', format: 'png' })
const came = (...sizes: string[]) => sizes.map(size => pictureOf(size))
const billed = (tier: string, count: number, amount: number) => ({
  billedTier: tier,
  billedCount: count,
  amount: String(amount),
})
const large = asked('2048x2048')

const cases: Case[] = [
  ['all as it should be', {}, 'as_asked', false],
  [
    'any size, where any was asked for',
    { asked: asked('auto'), delivered: came('1536x1024'), ...billed('2K', 1, 0.201) },
    'as_asked',
    false,
  ],
  ['larger, and billed as it came', { delivered: came('1536x1024'), ...billed('2K', 1, 0.201) }, 'as_asked', false],
  [
    'of an old gateway, which tells no tier',
    { billedBy: null, billedTier: null, billedCount: null },
    'as_asked',
    false,
  ],
  ['of before deliveries were noted', { delivered: null }, 'as_asked', false],
  ['a tier above', billed('2K', 1, 0.201), 'billed_dearer_tier', true],
  ['a tier above of `auto`', { asked: asked('auto'), ...billed('2K', 1, 0.201) }, 'billed_dearer_tier', true],
  [
    'a tier above that costs the same',
    { prices: { '1K': 0.2, '2K': 0.2, '4K': 0.3 }, ...billed('2K', 1, 0.2) },
    'as_asked',
    false,
  ],
  ['a tier above, of no known price', { prices: null, ...billed('2K', 1, 0.201) }, 'billed_dearer_tier', true],
  ['smaller, and billed as asked', { asked: large, ...billed('2K', 1, 0.201) }, 'billed_dearer_tier', true],
  ['a tier above and one too many', billed('2K', 2, 0.402), 'billed_dearer_tier', true],
  ['one too many', billed('1K', 2, 0.268), 'billed_more', true],
  ['fewer, and all billed', { asked: asked('1024x1024', 3), ...billed('1K', 3, 0.402) }, 'billed_more', true],
  [
    'one that cannot be shown, billed',
    {
      asked: asked('1024x1024', 2),
      delivered: [pictureOf('1024x1024'), pictureOf('1x1', 'undecodable')],
      ...billed('1K', 2, 0.268),
    },
    'billed_more',
    true,
  ],
  [
    'smaller within its tier',
    { asked: large, delivered: came('1536x1024'), ...billed('2K', 1, 0.201) },
    'delivered_smaller',
    false,
  ],
  ['smaller, and billed so', { asked: large }, 'delivered_smaller', false],
  ['smaller and fewer', { asked: asked('2048x2048', 3) }, 'delivered_smaller', false],
  ['fewer', { asked: asked('1024x1024', 3) }, 'delivered_fewer', false],
  [
    'refused for free',
    { charged: 'no', amount: null, delivered: [], reason: 'content_policy' },
    'delivered_fewer',
    false,
  ],
  ['sent back for free', { charged: 'no', amount: null, delivered: null }, 'delivered_fewer', false],
  ['nothing came, and it was billed', { delivered: [], reason: 'timeout' }, 'charged_without_picture', true],
  ['nothing that can be shown', { delivered: [pictureOf('1x1', 'undecodable')] }, 'charged_without_picture', true],
  [
    'nothing came, billed by tokens',
    { delivered: [], billedBy: 'tokens', billedTier: null, billedCount: 0 },
    'charged_without_picture',
    true,
  ],
  ['half of it came', { delivered: [pictureOf('1024x1024', 'incomplete')] }, 'charged_without_picture', true],
  [
    'by tokens, dearer',
    { billedBy: 'tokens', billedTier: null, billedCount: 0, amount: '0.21' },
    'billed_by_tokens',
    true,
  ],
  [
    'by tokens, cheaper',
    { billedBy: 'tokens', billedTier: null, billedCount: 0, amount: '0.03' },
    'billed_by_tokens',
    false,
  ],
  [
    'smaller, and by tokens, dearer',
    { asked: large, billedBy: 'tokens', billedTier: null, billedCount: 0, amount: '0.21' },
    'billed_by_tokens',
    true,
  ],
  [
    'smaller, and by tokens, cheaper',
    { asked: large, billedBy: 'tokens', billedTier: null, billedCount: 0, amount: '0.03' },
    'delivered_smaller',
    false,
  ],
  ['dearer than listed', { amount: '0.15' }, 'stale_price_list', true],
  ['cheaper than listed', { amount: '0.1' }, 'stale_price_list', false],
  ['fewer, and dearer than listed', { asked: asked('1024x1024', 2), amount: '0.15' }, 'stale_price_list', true],
  ['fewer, and cheaper than listed', { asked: asked('1024x1024', 2), amount: '0.1' }, 'delivered_fewer', false],
  ['a rounding is no other price', { amount: '0.1340000001' }, 'as_asked', false],
  ['under way', { endedAt: null, charged: 'unknown', amount: null, delivered: null }, 'not_settled', false],
  ['charged, by how much is not known', { amount: null }, 'not_settled', false],
  ['nobody knows', { charged: 'unknown', amount: null, delivered: [], reason: 'interrupted' }, 'not_settled', false],
  ['an answer', { kind: 'answer', delivered: null, billedBy: 'tokens', billedTier: null }, 'as_asked', false],
  [
    'an answer that broke off, billed',
    { kind: 'answer', delivered: null, reason: 'interrupted' },
    'charged_without_picture',
    true,
  ],
  [
    'an answer that was free',
    { kind: 'answer', delivered: null, charged: 'no', amount: null },
    'delivered_fewer',
    false,
  ],
]

test('of what is true of a call, the first of the list that costs money is said, else the first', () => {
  const said = cases.map(([what, given]): Case => {
    const { verdict, costs } = judge(receiptOf(given))
    return [what, given, verdict, costs]
  })
  assert.deepEqual(said, cases)
  const found = new Set(cases.map(([, , verdict]) => verdict))
  assert.deepEqual(
    judgements.filter(verdict => !found.has(verdict)),
    [],
  )
})
