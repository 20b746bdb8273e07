import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replyIn, say } from '../testing/conversations.ts'
import { alice, type Person } from '../testing/people.ts'
import { testApp } from '../testing/server.ts'

const app = await testApp()
const { db, mock } = app

/** Somebody whose key can use these models. */
async function withModels(models: string[]): Promise<Person> {
  const person = await alice(app)
  for (const key of mock.control.keysOf(person.email)) mock.control.group(Number(key.group_id), { models })
  return person
}

async function listed(person: Person) {
  const { html } = await person.get('/chat')
  const options = html.querySelectorAll('#model option')
  return {
    models: options.map(each => each.getAttribute('value')),
    chosen: options.find(each => each.hasAttribute('selected'))?.getAttribute('value'),
  }
}

test('the newest GPT comes first, by its version, and its sisters behind it', async () => {
  const person = await withModels([
    'o3',
    'gpt-4o',
    'gpt-5.9-mini',
    'gpt-5.9',
    'chatgpt-latest',
    'gpt-5.10-codex',
    'gpt-5.10',
    'gpt-5',
    'gpt-5.10-nano',
    'gpt-image-2',
  ])
  const { models, chosen } = await listed(person)
  assert.equal(chosen, 'gpt-5.10')
  assert.deepEqual(models.slice(0, 6), [
    'gpt-5.10',
    'gpt-5.10-codex',
    'gpt-5.10-nano',
    'gpt-5.9',
    'gpt-5.9-mini',
    'gpt-5',
  ])
  assert.deepEqual(new Set(models.slice(6)), new Set(['gpt-4o', 'o3', 'chatgpt-latest']))
})

test('a small or a coding sister of a newer version is no default, and a choice is remembered', async () => {
  const person = await withModels(['o3', 'gpt-5.11-mini', 'gpt-5.11-codex-max', 'gpt-5.8'])
  assert.equal((await listed(person)).chosen, 'gpt-5.8')
  const id = await say(person, 'with another', null, { model: 'o3' })
  assert.equal((await replyIn(db, id, 'done')).model, 'o3')
  assert.equal((await listed(person)).chosen, 'o3')
})
