import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultModel } from './image-models.ts'
import { dimensionsOf, refuseSize, type SizeRule } from './sizes.ts'

const limits = defaultModel.freeSize!

function isLegal({ width, height }: { width: number; height: number }): boolean {
  const [short, long] = [Math.min(width, height), Math.max(width, height)]
  const pixels = width * height
  return (
    width % 16 === 0 &&
    height % 16 === 0 &&
    long <= 3840 &&
    long <= 3 * short &&
    pixels >= 655_360 &&
    pixels <= 8_294_400
  )
}

/** How far apart two sizes are, by the ratio of their edges; the same measure, written down once more. */
function distance(a: { width: number; height: number }, b: { width: number; height: number }): number {
  return Math.log(a.width / b.width) ** 2 + Math.log(a.height / b.height) ** 2
}

test('every size offered is one the model makes', () => {
  for (const size of defaultModel.sizes.flatMap(group => group.sizes)) {
    assert.equal(refuseSize(defaultModel, size), null, size)
    if (size !== 'auto') assert.ok(isLegal(dimensionsOf(size)!), size)
  }
})

test('free sizes are made up to the very limits', () => {
  const legal = [
    '1024x640',
    '3840x2160',
    '2160x3840',
    '3840x1280',
    '1280x3840',
    '2880x2880',
    '1536x512',
    '816x816',
    '1040x1040',
  ]
  for (const size of legal) {
    // 1536 × 512 has the ratio but not the pixels; the others are legal.
    assert.equal(refuseSize(defaultModel, size) === null, isLegal(dimensionsOf(size)!), size)
  }
})

const broken: [size: string, rule: SizeRule, nearest: string][] = [
  ['', 'not_a_size', '1024x1024'],
  ['big', 'not_a_size', '1024x1024'],
  ['1024', 'not_a_size', '1024x1024'],
  ['1024x', 'not_a_size', '1024x1024'],
  ['0x0', 'not_a_size', '1024x1024'],
  ['1024x0', 'not_a_size', '1024x1024'],
  ['-1024x1024', 'not_a_size', '1024x1024'],
  ['1024.5x1024', 'not_a_size', '1024x1024'],
  ['01024x1024', 'not_a_size', '1024x1024'],
  ['1024x1024x1024', 'not_a_size', '1024x1024'],
  ['1024×1024', 'not_a_size', '1024x1024'],
  ['999999x1024', 'not_a_size', '1024x1024'],
  ['1000x1000', 'multiple_of_16', '1008x1008'],
  ['1025x1024', 'multiple_of_16', '1024x1024'],
  ['4096x2048', 'longest_edge', '3840x2048'],
  ['3856x2160', 'longest_edge', '3840x2160'],
  ['2048x512', 'ratio', '1776x592'],
  ['512x512', 'too_few_pixels', '816x816'],
  ['3840x3840', 'too_many_pixels', '2880x2880'],
]
for (const [size, rule, nearest] of broken) {
  test(`${size || 'no size'} breaks the rule ${rule}; nearest is ${nearest}`, () => {
    assert.deepEqual(refuseSize(defaultModel, size), { rule, nearest })
  })
}

test('the nearest size is legal, and no neighbour of it is nearer', () => {
  // A fixed sequence, so that a failure can be seen again.
  let seed = 7
  const random = (most: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return 1 + (seed % most)
  }
  for (let i = 0; i < 60; i++) {
    const wanted = { width: random(6000), height: random(6000) }
    const refused = refuseSize(defaultModel, `${wanted.width}x${wanted.height}`)
    assert.equal(refused === null, isLegal(wanted))
    if (!refused) continue
    const nearest = dimensionsOf(refused.nearest)!
    assert.ok(isLegal(nearest), `${refused.nearest} for ${wanted.width}x${wanted.height}`)
    for (const dx of [-32, -16, 0, 16, 32]) {
      for (const dy of [-32, -16, 0, 16, 32]) {
        const other = { width: nearest.width + dx, height: nearest.height + dy }
        if (other.width < limits.multipleOf || other.height < limits.multipleOf || !isLegal(other)) continue
        assert.ok(
          distance(other, wanted) >= distance(nearest, wanted) - 1e-12,
          JSON.stringify({ wanted, nearest, other }),
        )
      }
    }
  }
})
