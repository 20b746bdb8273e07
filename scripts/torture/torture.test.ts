import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torture } from './run.ts'

// In small, and these two hold every kind of disaster; npm run test:long goes on for longer, with a seed of its own too.
for (const seed of [22, 81]) {
  test(`three processes under people and disasters: nothing paid twice, lost, stuck or shown to others (seed ${seed})`, async () => {
    const { code, said } = await torture('--seed', String(seed), '--points', '1', '--steps', '25')
    assert.equal(code, 0, said)
  })
}
