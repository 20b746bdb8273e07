import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { openLocal } from '../../storage/local.ts'
import { type Storage, StorageError } from '../../storage/storage.ts'
import { replyIn, say, snapshotOf, talk } from '../../testing/conversations.ts'
import { houseOf } from '../../testing/house.ts'
import { alice, charlie } from '../../testing/people.ts'
import { testApp, until } from '../../testing/server.ts'
import { keepHouse } from '../../upkeep/hourly.ts'
import { importSnapshot } from './import.ts'
import { writeSnapshot } from './keep.ts'

const app = await testApp()
const { db } = app

async function idOf(person: { email: string }): Promise<number> {
  const { rows } = await db.pool.query<{ id: string }>('select id from users where email = $1', [person.email])
  return Number(rows[0]!.id)
}

/** The file of a conversation, and what is in it. */
async function kept(conversation: string) {
  const file = await snapshotOf(app, conversation)
  const text = await until('the file', () => readFile(file, 'utf8').catch(() => null))
  return { file, text, content: JSON.parse(text) }
}

const storage = openLocal(path.join(app.config.dataDirectory, 'assets'))
const longDeleted = (id: string) =>
  db.pool.query(`update conversations set deleted_at = now() - interval '31 days' where id = $1`, [id])
const isGone = (file: string) => assert.rejects(readFile(file), { code: 'ENOENT' })

test('after each turn the conversation is a file that anybody can read, with all its branches', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'what is kept')
  await say(person, 'another beginning', id, { parent: '' })
  await replyIn(db, id, 'done')
  const { content } = await until('the second turn in the file', async () => {
    const found = await kept(id)
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
  const { file, text } = await kept(id)
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
  const { file, content } = await kept(id)
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
  const { file } = await kept(id)
  await longDeleted(id)
  const begun = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const slow: Storage = {
    ...storage,
    async put(...all) {
      begun.resolve()
      await release.promise
      await storage.put(...all)
    },
  }
  const userId = await idOf(person)
  const written = writeSnapshot({ db, storage: slow }, { id, userId })
  await begun.promise
  const forgotten = keepHouse(houseOf(app, storage))
  await until('the conversation to wait for it', async () => {
    const { rowCount } = await db.pool.query(`select from pg_locks where not granted`)
    return rowCount
  })
  release.resolve()
  await Promise.all([written, forgotten])
  await isGone(file)
  assert.equal((await db.pool.query('select from conversations where id = $1', [id])).rowCount, 0)
})

test('what was deleted a month ago goes for good, its file too', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'to be forgotten')
  const { file } = await kept(id)
  await person.post(`/chat/${id}/delete`)
  await longDeleted(id)
  await keepHouse(houseOf(app, storage))
  await isGone(file)
  const { rowCount } = await db.pool.query('select from replies where conversation_id = $1', [id])
  assert.equal(rowCount, 0)
})

test('a file that could not be deleted with its conversation is deleted an hour later', async () => {
  const person = await alice(app)
  const ids: string[] = []
  for (const text of ['hard to forget', 'as hard to forget']) ids.push((await talk(db, person, text)).id)
  const files = await Promise.all(ids.map(async id => (await kept(id)).file))
  for (const id of ids) await longDeleted(id)
  const failing = { ...storage, delete: () => Promise.reject(new StorageError('delete', { cause: 'out of order' })) }
  await keepHouse(houseOf(app, failing))
  for (const id of ids) assert.equal((await db.pool.query('select from conversations where id = $1', [id])).rowCount, 0)
  assert.ok(await readFile(files[0]!))
  await keepHouse(houseOf(app, storage))
  for (const file of files) await isGone(file)
})

test('what a person deletes, writes anew or stops is so in the file, without another turn', async () => {
  const person = await alice(app)
  const { id, reply } = await talk(db, person, 'said in haste')
  await kept(id)
  await person.post(`/chat/${id}/title`, { title: 'A better name' })
  await until('the name', async () => (await kept(id)).content.title === 'A better name')
  const page = await person.get(`/chat/${id}`)
  const action = page.html.querySelector('form[action$="/delete"][action*="/messages/"]')!.getAttribute('action')!
  assert.equal((await person.post(action)).status, 303)
  await until('the words to be gone', async () => !(await kept(id)).text.includes('said in haste'))
  assert.ok(reply)
})

test('files that an earlier version left on the disk of a worker move to the store', async () => {
  const person = await alice(app)
  const userId = await idOf(person)
  const { id } = await talk(db, person, 'kept by an earlier version')
  const { file: now, text } = await kept(id)
  await rm(now)
  const old = path.join(app.config.dataDirectory, 'conversations', String(userId))
  const lost = path.join(old, `${crypto.randomUUID()}.json`)
  const forgotten = path.join(old, `${crypto.randomUUID()}.json`)
  await mkdir(old, { recursive: true })
  for (const file of [path.join(old, `${id}.json`), lost, forgotten]) await writeFile(file, text)
  // Deleted two months ago by another worker, who could not reach this disk; the other may be all that is left of it.
  await db.pool.query(`update users set created_at = now() - interval '1 year' where id = $1`, [userId])
  const then = new Date(Date.now() - 60 * 86_400_000)
  await utimes(forgotten, then, then)

  const { running } = await app.another({ role: 'worker', worker: { ...app.config.worker, sweepSeconds: 0.1 } })
  await until('the file in the store', () => readFile(now).catch(() => null))
  await until('the others to be looked at', async () => (await readdir(old)).length === 1)
  assert.deepEqual(await readdir(old), [path.basename(lost)])
  await running.stop()
})
