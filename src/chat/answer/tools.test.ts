import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readToolCall, toolsFor } from './tools.ts'

const pictures = ['a', 'b', 'c'].map((token, index) => ({ token, label: `P${index + 1}`, messageId: 'm' }))
const context = { pictures, isOnly: true, mayPaint: true }
const edit = (sources: unknown) =>
  readToolCall({ name: 'edit_image', arguments: JSON.stringify({ prompt: 'x', sources }) }, context)

test('sources are found by their labels in whatever form, and the newest stands for none', () => {
  assert.deepEqual(edit(['P1', 'P3']).sources, ['a', 'c'])
  assert.deepEqual(edit('[p2]').sources, ['b'])
  assert.deepEqual(edit([2, 2]).sources, ['b'])
  assert.deepEqual(edit(['P99', 'token-of-somebody-else']).sources, ['c'])
  assert.deepEqual(edit(undefined).sources, ['c'])
})

test('editing is offered only when there is something to edit, newest first', () => {
  assert.deepEqual(
    toolsFor([]).map(tool => tool.name),
    ['generate_image'],
  )
  assert.match(JSON.stringify(toolsFor(pictures)[1]!.parameters), /"enum":\["P3","P2","P1"\]/)
})

test('the first of several calls is taken, and says so; after a picture none is', () => {
  const call = { name: 'generate_image', arguments: '{"prompt":"x"}' }
  assert.deepEqual(readToolCall(call, { ...context, isOnly: false }).problem, 'only_first')
  assert.deepEqual(readToolCall(call, { ...context, mayPaint: false }).state, 'refused')
})
