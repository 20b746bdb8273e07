import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitThoughts, thinkingSieve, withoutThoughts } from './thinking-words.ts'

const answers: [written: string, thoughts: string, words: string][] = [
  ['<think>\nA fox?\n</think>\n\nAll about foxes', '\nA fox?\n', 'All about foxes'],
  ['One\n<THINKING>two</thinking>three\n<think>four', 'twofour', 'One\nthree\n'],
  ['<think></think>', '', ''],
  ['<think>a < b </ thin </thin </think> c', 'a < b </ thin </thin ', 'c'],
  ['Write `<think>` or <think> in a line', '', 'Write `<think>` or <think> in a line'],
  ['```xml\n<think>\n```\n<thin\n<', '', '```xml\n<think>\n```\n<thin\n<'],
  ['<thinker> ``', '', '<thinker> ``'],
]

test('thoughts are told from words, in whatever pieces they come', () => {
  for (const [written, thoughts, words] of answers) {
    for (const size of [1, 2, 3, 7, written.length]) {
      const sieve = thinkingSieve()
      const pieces: ReturnType<typeof sieve.write> = []
      for (let at = 0; at < written.length; at += size) pieces.push(...sieve.write(written.slice(at, at + size)))
      pieces.push(...sieve.end())
      const join = (kind: string) => pieces.map(piece => (piece.kind === kind ? piece.text : '')).join('')
      assert.deepEqual([join('reasoning'), join('text')], [thoughts, words], `${written} in pieces of ${size}`)
    }
    assert.equal(withoutThoughts(written), words)
  }
})

test('what stands above a lonely end of thoughts was thought', () => {
  assert.deepEqual(splitThoughts('Hm.\nYes.\n</think>\n\nFoxes.'), { thoughts: 'Hm.\nYes.', words: 'Foxes.' })
  assert.deepEqual(splitThoughts('about </think> tags'), { thoughts: '', words: 'about </think> tags' })
})
