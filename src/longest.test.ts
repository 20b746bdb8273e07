import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { boundKey, tokenOf } from './testing/agents.ts'
import { answerCalls, talk } from './testing/conversations.ts'
import { alice } from './testing/people.ts'
import { makePicture } from './testing/pictures.ts'
import { testApp, until } from './testing/server.ts'

const app = await testApp()
const { db, mock } = app
const person = await alice(app)
const { id: conversation } = await talk(db, person, 'hello')

/** A field that people write in, as one that says what is wrong with it. */
interface Field {
  path: string
  name: string
  limit: number
  rest?: Record<string, string>
}

const saved = (await person.post('/prompts', { prompt: 'a saved one' })).location.split('#saved-')[1]!
const picture = await makePicture(app, person, 'a picture')
const folder = await person.post('/library/folders', { name: 'Boats' })
assert.equal(folder.status, 303)
const folderId = (await db.one(z.object({ id: z.string() }), 'select id from folders where name = $1', ['Boats'])).id

const sshKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmmJjHWJBmVsxGWBDZJUgJMGpMwGhWBHTTpHYpd3Ygv'
const fields: Field[] = [
  { path: '/images', name: 'prompt', limit: 32_000 },
  { path: '/images/batch', name: 'prompts', limit: 32_000, rest: { step: 'start' } },
  { path: '/chat', name: 'text', limit: 100_000 },
  { path: `/chat/${conversation}/messages`, name: 'text', limit: 100_000, rest: { parent: '' } },
  { path: `/chat/${conversation}/title`, name: 'title', limit: 200 },
  { path: `/chat/${conversation}/instructions`, name: 'instructions', limit: 8_000 },
  { path: '/chat/settings', name: 'instructions', limit: 8_000, rest: { ask: 'on' } },
  { path: '/prompts', name: 'name', limit: 80, rest: { prompt: 'one more' } },
  { path: `/prompts/${saved}/name`, name: 'name', limit: 80 },
  { path: '/gallery/share', name: 'name', limit: 40, rest: { picture: picture.id } },
  { path: `/library/${picture.id}/details`, name: 'folder', limit: 5000, rest: { tags: '' } },
  { path: `/library/${picture.id}/details`, name: 'tags', limit: 5000, rest: { folder: '' } },
  { path: `/library/folders/${folderId}/name`, name: 'name', limit: 1000 },
  { path: '/agents', name: 'name', limit: 60, rest: { public_key: sshKey, key_id: '1' } },
]

for (const { path, name, limit, rest } of fields) {
  test(`${path.replace(/[0-9a-f-]{36}/, ':id')}: ${name} that is too long is told its limit, and stays`, async () => {
    for (const characters of [limit + 1, Math.min(limit * 3, 400_000)]) {
      const typed = '字'.repeat(characters)
      for (const htmx of [true, false]) {
        const answer = await person.post(path, { ...rest, [name]: typed }, { htmx })
        assert.equal(
          answer.status,
          422,
          `${characters} ${answer.html.querySelector('main')?.text.trim().slice(0, 200)}`,
        )
        const words = answer.html.textContent.replaceAll(typed, '').replaceAll(',', '')
        assert.match(words, new RegExp(`\\b${characters}\\b`))
        assert.match(words, new RegExp(`\\b${limit}\\b`))
        // A page that goes on keeps its fields itself.
        if (htmx) continue
        const kept = answer.html.querySelectorAll(`main [name="${name}"]`)
        assert.ok(kept.some(field => (field.getAttribute('value') ?? field.textContent).trim() === typed))
      }
    }
  })
}

test('the longest that each field takes is taken, in letters of four bytes', async () => {
  const other = await alice(app)
  const { id } = await talk(db, other, 'hello')
  await Promise.all(
    fields
      .filter(({ path, name }) => !['prompts', 'name'].includes(name) && !path.startsWith('/library'))
      .map(async ({ path, name, limit, rest }) => {
        const answer = await other.post(path.replace(conversation, id), { ...rest, [name]: '🌊'.repeat(limit) })
        assert.equal(answer.status, 303, path)
      }),
  )
  await until('both answers', async () => answerCalls(mock, { email: other.email, prompt: '🌊' }).length === 2)
})

test('a prompt of a card that is too long is told its limit, and stays', async () => {
  const begun = await person.post('/chat', { text: 'draw a pier' })
  const card = await until('a card', async () => (await person.get(begun.location)).html.querySelector('form.card'))
  const typed = '字'.repeat(64_000)
  const answer = await person.post(card.getAttribute('action')!, { prompt: typed, size: '1024x1024', n: '1' })
  assert.equal(answer.status, 422)
  assert.match(answer.html.textContent.replaceAll(',', ''), /64000 characters; the limit is 32000/)
  assert.equal(answer.html.querySelector('form.card textarea')!.textContent, typed)
})

test('a name of a key that is too long is told its limit, and stays', async () => {
  await boundKey(app, person)
  const key = (await person.get('/agents')).html.querySelector('main a[href^="/agents/"]')!.getAttribute('href')
  const typed = '字'.repeat(61)
  const answer = await person.post(`${key}/name`, { name: typed })
  assert.equal(answer.status, 422)
  assert.match(answer.html.textContent, /61 characters; at most 60/)
  assert.equal(answer.html.querySelector('#name')!.getAttribute('value'), typed)
})

test('a draft of a prompt that is far too long is kept', async () => {
  const typed = '字'.repeat(120_000)
  assert.equal((await person.post('/images/draft', { prompt: typed }, { htmx: true })).status, 204)
  assert.equal((await person.get('/images')).html.querySelector('#prompt')!.textContent, typed)
})

test('a prompt of a task that is far too long is told its limit', async () => {
  const token = await tokenOf(app, await boundKey(app, person, 'desk'))
  const response = await fetch(`${app.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ payload: { prompt: '字'.repeat(400_000) } }),
  })
  assert.equal(response.status, 400)
  assert.match((await response.text()).replaceAll(',', ''), /400000 characters; the limit is 32000/)
})
