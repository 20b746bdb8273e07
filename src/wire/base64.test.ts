import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { BadBase64, base64Decoder } from './base64.ts'

test('every length comes back, padded or not, in either alphabet and with line breaks', () => {
  for (let length = 0; length < 100; length++) {
    const bytes = randomBytes(length)
    const padded = bytes.toString('base64')
    const written = [
      padded,
      padded.replace(/=+$/, ''),
      bytes.toString('base64url'),
      padded.replace(/.{7}/g, '$&\r\n'),
      ` ${padded} `,
    ]
    for (const text of written) {
      const decoder = base64Decoder(1000)
      for (const piece of text.match(/[\s\S]{1,5}/g) ?? []) decoder.write(piece)
      assert.deepEqual(decoder.end(), bytes, JSON.stringify(text))
    }
  }
})

test('what follows a padding is refused, however far back the padding is', () => {
  const padded = Buffer.alloc(16 * 1024).toString('base64')
  const decoder = base64Decoder(100_000)
  decoder.write(padded)
  assert.throws(() => {
    decoder.write(padded)
    decoder.end()
  }, BadBase64)
})

test('the limit is kept while the text still arrives', () => {
  const decoder = base64Decoder(30_000)
  decoder.write('A'.repeat(32_000))
  assert.throws(() => decoder.write('A'.repeat(32_000)), RangeError)
})
