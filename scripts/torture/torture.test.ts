import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torture } from './run.ts'

// In small; npm run test:long does it for longer, with seeds of its own.
for (const seed of [1, 20]) {
  test(`three processes under people and disasters: nothing paid twice, lost, stuck or shown to others (seed ${seed})`, async () => {
    const { code, said } = await torture('--seed', String(seed), '--points', '1', '--steps', '25')
    assert.equal(code, 0, said)
  })
}
