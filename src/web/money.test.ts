import assert from 'node:assert/strict'
import { test } from 'node:test'
import { balance, exactMoney, money } from './money.ts'

test('a call has two to four decimals, a balance has cents, and neither has a sign before nothing', () => {
  const usd = [12.5, 0.201, 0.1234, 0.12345, 0, -0.00001, -0.004, -1.5, 99_746.4471]
  assert.deepEqual(usd.map(money), [
    '$12.50',
    '$0.201',
    '$0.1234',
    '$0.1235',
    '$0.00',
    '$0.00',
    '-$0.004',
    '-$1.50',
    '$99,746.4471',
  ])
  assert.deepEqual(usd.map(balance), [
    '$12.50',
    '$0.20',
    '$0.12',
    '$0.12',
    '$0.00',
    '$0.00',
    '$0.00',
    '-$1.50',
    '$99,746.45',
  ])
  assert.equal(exactMoney(-0.0000123), '-$0.0000123')
})
