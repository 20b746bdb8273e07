import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remember } from './remember.ts'

test('what was made is made once, and no more than the given number is kept', () => {
  const made: string[] = []
  const shout = remember(3, name => {
    made.push(name)
    return name.toUpperCase()
  })
  for (const name of ['a', 'b', 'a', 'c', 'b', 'd', 'd']) assert.equal(shout(name), name.toUpperCase())
  assert.deepEqual(made, ['a', 'b', 'c', 'd'])
  shout('a')
  assert.deepEqual(made, ['a', 'b', 'c', 'd', 'a'], 'the fourth made room')
})

test('nothing, once found, is remembered too', () => {
  let asked = 0
  const nothing = remember(3, () => {
    asked++
    return null
  })
  assert.deepEqual([nothing('a'), nothing('a'), asked], [null, null, 1])
})
