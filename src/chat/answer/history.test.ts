import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Branch, Turn } from '../branch.ts'
import { estimateTokens, tellHistory } from './history.ts'

const deps = {
  storage: { read: async (token: string) => (token === 'gone' ? null : Buffer.from(`bytes of ${token}`)) },
  log: { warn: () => undefined },
} as unknown as Parameters<typeof tellHistory>[0]

function branch(turns: { user?: string; assistant?: string; pictures?: string[] }[]): Branch {
  const files = new Map()
  const built = turns.map((turn, index): Turn => {
    const id = `m${index}`
    const message = {
      id,
      conversationId: 'c',
      userId: 1,
      parentId: null,
      number: index,
      text: turn.user ?? '',
      createdAt: new Date(),
    }
    const attachments = (turn.pictures ?? []).map((token, position) => {
      files.set(token, { token, format: 'png', width: 10, height: 10 })
      return { messageId: id, position, name: token, token, textId: null, isPreview: false }
    })
    if (turn.assistant === undefined) return { kind: 'user', message: { ...message, role: 'user' }, attachments }
    const reply = { text: turn.assistant } as Extract<Turn, { kind: 'assistant' }>['reply']
    return { kind: 'assistant', message: { ...message, role: 'assistant' }, attachments, reply, waiting: [] }
  })
  return { turns: built, files }
}

const none = new Map<string, string>()
const textsOf = (input: Awaited<ReturnType<typeof tellHistory>>['input']) =>
  input.map(item =>
    item.type === 'message'
      ? item.content.map(part => ('text' in part ? part.text : '<picture>')).join('|')
      : item.type,
  )

test('everything is told while it fits', async () => {
  const { input } = await tellHistory(deps, branch([{ user: 'a' }, { assistant: 'b' }, { user: 'c' }]), none)
  assert.deepEqual(textsOf(input), ['a', 'b', 'c'])
})

test('the oldest exchanges go first, whole, and the last question always stays', async () => {
  const long = 'x'.repeat(4_000)
  const turns = [
    { user: `1${long}` },
    { assistant: `2${long}` },
    { user: `3${long}` },
    { assistant: `4${long}` },
    { user: '5' },
  ]
  const { input } = await tellHistory(deps, branch(turns), none, { tokens: 2_500, pictures: 8 })
  assert.deepEqual(
    textsOf(input).map(text => text[0]),
    ['3', '4', '5'],
  )
  const tiny = await tellHistory(deps, branch(turns), none, { tokens: 10, pictures: 8 })
  assert.deepEqual(textsOf(tiny.input), ['5'])
})

test('the newest pictures are shown, with the numbers they always had; what is gone is left out', async () => {
  const turns = [{ user: 'a', pictures: ['p1', 'p2'] }, { assistant: 'b' }, { user: 'c', pictures: ['gone', 'p4'] }]
  const { input, pictures } = await tellHistory(deps, branch(turns), none, { tokens: 90_000, pictures: 3 })
  assert.deepEqual(textsOf(input), ['a|[P2]|<picture>', 'b', 'c|[P4]|<picture>'])
  assert.deepEqual(
    pictures.map(picture => picture.label),
    ['P2', 'P4'],
  )
})

test('a message that was only a picture, which is gone, is still a message', async () => {
  const { input } = await tellHistory(deps, branch([{ user: '', pictures: ['gone'] }]), none)
  assert.match(textsOf(input)[0]!, /gone/)
})

test('a Chinese character counts as a token, four letters as one', () => {
  assert.equal(estimateTokens('x'.repeat(400)), 108)
  assert.equal(estimateTokens('字'.repeat(100)), 108)
})
