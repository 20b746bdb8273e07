import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torture } from './run.ts'

for (const seed of [1, 2, 3, Date.now() % 1_000_000]) {
  test(`three processes under people and disasters for five minutes, with seed ${seed}`, async () => {
    const { code, said } = await torture('--seed', String(seed), '--minutes', '5')
    assert.equal(code, 0, said)
  })
}
