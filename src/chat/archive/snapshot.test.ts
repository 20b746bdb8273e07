import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { openLocal } from '../../storage/local.ts'
import { replyIn, say, talk } from '../../testing/conversations.ts'
import { houseOf } from '../../testing/house.ts'
import { alice, charlie } from '../../testing/people.ts'
import { testApp, until } from '../../testing/server.ts'
import { keepHouse } from '../../upkeep/hourly.ts'
import { lockSnapshot } from '../conversation-queries.ts'
import { importSnapshot } from './snapshot.ts'

const app = await testApp()
const { db } = app

async function idOf(person: { email: string }): Promise<number> {
  const { rows } = await db.pool.query<{ id: string }>('select id from users where email = $1', [person.email])
  return Number(rows[0]!.id)
}

async function snapshotOf(userId: number, conversation: string) {
  const file = path.join(app.config.dataDirectory, 'conversations', String(userId), `${conversation}.json`)
  const text = await until('the file', () => readFile(file, 'utf8').catch(() => null))
  return { file, text, content: JSON.parse(text) }
}

test('after each turn the conversation is a file that anybody can read, with all its branches', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'what is kept')
  await say(person, 'another beginning', id, { parent: '' })
  await replyIn(db, id, 'done')
  const userId = await idOf(person)
  const { content } = await until('the second turn in the file', async () => {
    const found = await snapshotOf(userId, id)
    return found.content.messages.length === 4 && found
  })
  assert.deepEqual([content.format, content.version], ['sub2api-playground conversation', 1])
  assert.match(content.title, /^what is kept/)
  assert.deepEqual(
    content.messages.map((message: { role: string; parent: string | null }) => [message.role, message.parent === null]),
    [
      ['user', true],
      ['assistant', false],
      ['user', true],
      ['assistant', false],
    ],
  )
  assert.match(content.messages[1].text, /You asked about \*\*what is kept/)
  assert.equal(content.messages[1].answer.state, 'done')
})

test('a file is read back whole, for its owner only, and nothing is overwritten', async () => {
  const person = await alice(app)
  const { id, reply } = await talk(db, person, 'come back')
  const userId = await idOf(person)
  const { file, text } = await snapshotOf(userId, id)
  assert.equal(await importSnapshot({ db }, userId, file), false)
  await db.pool.query('delete from conversations where id = $1', [id])
  assert.equal((await person.get(`/chat/${id}`)).status, 404)
  assert.equal(await importSnapshot({ db }, userId, file), true)
  const page = await person.get(`/chat/${id}`)
  assert.equal(page.html.querySelector('.said')?.text, 'come back')
  assert.ok(page.html.querySelector('.answer.state-done .prose strong'))
  const exported = JSON.parse((await person.get(`/chat/${id}/export.json`)).text)
  assert.deepEqual(exported.messages, JSON.parse(text).messages)
  assert.equal(reply.state, 'done')
  assert.equal((await (await charlie(app)).get(`/chat/${id}`)).status, 404)
  await talk(db, person, 'and go on', id)
})

test('what is no such file is refused and leaves nothing behind', async () => {
  const person = await alice(app)
  const userId = await idOf(person)
  const { id } = await talk(db, person, 'bad copy')
  const { file, content } = await snapshotOf(userId, id)
  const other = path.join(app.config.dataDirectory, 'other.json')
  const fresh = crypto.randomUUID()
  const messages = content.messages.map((message: object) => ({ ...message, parent: crypto.randomUUID() }))
  await writeFile(other, JSON.stringify({ ...content, id: fresh, messages }))
  await assert.rejects(importSnapshot({ db }, userId, other))
  await writeFile(other, '{"format":"something else"}')
  await assert.rejects(importSnapshot({ db }, userId, other))
  assert.equal((await person.get(`/chat/${fresh}`)).status, 404)
  assert.ok(file)
})

test('a file that was being written while its conversation was deleted does not stay', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'written and forgotten at once')
  const { file, text } = await snapshotOf(await idOf(person), id)
  await db.pool.query(`update conversations set deleted_at = now() - interval '31 days' where id = $1`, [id])
  const storage = openLocal(path.join(app.config.dataDirectory, 'assets'))
  let forgotten = Promise.resolve()
  // As a worker does that has just read it for the last time.
  await db.transaction(async tx => {
    await lockSnapshot(tx, { id })
    forgotten = keepHouse(houseOf(app, storage))
    await until('the row to be gone', async () => {
      const { rowCount } = await db.pool.query('select from conversations where id = $1', [id])
      return rowCount === 0
    })
    await writeFile(file, text)
  })
  await forgotten
  await assert.rejects(readFile(file), { code: 'ENOENT' })
})

test('what was deleted a month ago goes for good, its file too', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'to be forgotten')
  const { file } = await snapshotOf(await idOf(person), id)
  await person.post(`/chat/${id}/delete`)
  await db.pool.query(`update conversations set deleted_at = now() - interval '31 days' where id = $1`, [id])
  const storage = openLocal(path.join(app.config.dataDirectory, 'assets'))
  await keepHouse(houseOf(app, storage))
  await assert.rejects(readFile(file), { code: 'ENOENT' })
  const { rowCount } = await db.pool.query('select from replies where conversation_id = $1', [id])
  assert.equal(rowCount, 0)
})
