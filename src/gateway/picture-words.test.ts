import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { pictureSieve } from './picture-words.ts'

const bytes = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d', 'hex'), randomBytes(2_988)])
const png = bytes.toString('base64')
const [odd, wrapped] = [bytes.subarray(0, -1).toString('base64'), png.replace(/.{76}/g, '$&\n')]

/** What comes out, pictures as `<alt>` where they begin and `[length]` where they end. */
function sift(text: string, size: number): string {
  const sieve = pictureSieve(1024 * 1024)
  const pieces = []
  for (let at = 0; at < text.length; at += size) pieces.push(...sieve.write(text.slice(at, at + size)))
  return [...pieces, ...sieve.end()]
    .map(piece => {
      if (typeof piece === 'string') return piece
      return 'begins' in piece ? `<${piece.begins}>` : `[${piece.picture.bytes?.length ?? 'no picture'}]`
    })
    .join('')
}

const answers: [written: string, sifted: string][] = [
  [`Here:\n\n![a fox](data:image/png;base64,${png})\n\nThere.`, 'Here:\n\n<a fox>[3000]\n\nThere.'],
  [
    `![](<data:image/jpeg;charset=utf-8;base64,${odd}>) and ![b](data:image/png;base64,${png})`,
    '<>[2999] and <b>[3000]',
  ],
  [`Bare: ${png} and ${png}`, 'Bare: <>[3000] and <>[3000]'],
  [`\`\`\`\n${wrapped}\n\`\`\`\nEnjoy`, '```\n<>[3000]\n```\nEnjoy'],
  [`${png}\nEnjoy`, '<>[3000]\nEnjoy'],
  [`<img src="data:image/png;base64,${png}">`, '<img src="<>[3000]">'],
  [`![x](data:image/png;base64,${png.slice(0, -3)}!${png})`, `<x>[no picture]!<>[3000])`],
  [`![x](data:image/png;base64,${'A'.repeat(2_000_001)})`, '<x>[no picture]'],
  [`![a [b](data:image/png;base64,${png})`, '![a [b](<>[3000])'],
  [`cut ![x](data:image/png;base64,${png.slice(0, 2000)}`, 'cut <x>[1500]'],
]

test('a picture written in whatever pieces is picked out, and the words around it are left', () => {
  for (const [written, sifted] of answers) {
    for (const size of [written.length, 1000, 76, 7, ...(written.length < 20_000 ? [1] : [])]) {
      assert.equal(sift(written, size), sifted, `${written.slice(0, 60)} in pieces of ${size}`)
    }
  }
})

test('words that only look like the beginning of a picture stay as they are', () => {
  for (const text of [
    'Use ![alt](https://a.b/c.png) or data:image/png;base64,iVBORw0KGgoAAAANSUhEUg== in CSS, and data: in general!',
    'A dot: ![](data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7) is small',
    'see /9j/ and /9j/4AAQSkZJRg, i, iV, iVBOR, U, Ukl!',
    '![[data:![](![',
    `RIFF: ${'UklGR '.repeat(300)}${`UklGR${'A'.repeat(50)} `.repeat(40)}`,
    `${'!['.repeat(500)}${'data:'.repeat(500)}`,
  ]) {
    for (const size of [1, 5, text.length]) assert.equal(sift(text, size), text)
  }
})
