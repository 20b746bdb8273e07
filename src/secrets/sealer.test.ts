import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { createSealer, SealBroken } from './sealer.ts'
import { Secret } from './secret.ts'

const old = 'o'.repeat(32)
const current = 'c'.repeat(32)
const key = new Secret('sk-very-secret-密钥')

test('what is sealed opens again, for the same person and purpose only', () => {
  const sealer = createSealer([current])
  const sealed = sealer.seal('api key', 7, key)
  assert.equal(sealer.open('api key', 7, sealed).reveal(), key.reveal())
  assert.throws(() => sealer.open('api key', 8, sealed), SealBroken)
  assert.throws(() => sealer.open('access token', 7, sealed), SealBroken)
  assert.throws(() => sealer.open('api key:7', 7, sealed), SealBroken)
})

test('the sealed bytes show nothing, and never come twice', () => {
  const sealer = createSealer([current])
  const seals = Array.from({ length: 100 }, () => sealer.seal('api key', 7, key))
  assert.equal(new Set(seals.map(sealed => sealed.toString('hex'))).size, 100)
  for (const sealed of seals) assert.equal(sealed.includes(key.reveal().slice(3, 9)), false)
})

test('any altered bit and any missing byte is noticed', () => {
  const sealer = createSealer([current])
  const sealed = sealer.seal('api key', 7, key)
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const altered = Buffer.from(sealed)
    altered[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => sealer.open('api key', 7, altered), SealBroken, `bit ${bit}`)
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(() => sealer.open('api key', 7, sealed.subarray(0, length)), SealBroken, `${length} bytes`)
  }
})

test('a rotated secret still opens what it sealed; the new one seals', () => {
  const before = createSealer([old]).seal('api key', 7, key)
  const rotated = createSealer([current, old])
  assert.equal(rotated.open('api key', 7, before).reveal(), key.reveal())

  const after = rotated.seal('api key', 7, key)
  assert.equal(createSealer([current]).open('api key', 7, after).reveal(), key.reveal())
  assert.throws(() => createSealer([old]).open('api key', 7, after), SealBroken)
  assert.throws(() => createSealer([current]).open('api key', 7, before), SealBroken, 'the old one was dropped')
})

test('an empty text can be sealed; no secret at all is refused', () => {
  const sealer = createSealer([current])
  assert.equal(sealer.open('note', 1, sealer.seal('note', 1, new Secret(''))).reveal(), '')
  assert.throws(() => createSealer([]))
})

test('a secret and the error about it print as neither', () => {
  const shown = [
    String(key),
    'the key is '.concat(key as unknown as string),
    JSON.stringify({ key }),
    inspect({ deep: { key } }, { depth: 5, showHidden: true }),
  ]
  for (const text of shown) assert.equal(text.includes('very-secret'), false, text)
  try {
    createSealer([current]).open('api key', 8, createSealer([current]).seal('api key', 7, key))
    assert.fail('it opened')
  } catch (error) {
    assert.ok(error instanceof SealBroken)
    assert.equal(inspect(error).includes('very-secret'), false)
  }
})
