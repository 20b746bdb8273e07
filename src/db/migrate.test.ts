import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { atEnd, testDatabase } from '../testing/database.ts'
import { type Database, openDatabase } from './db.ts'
import { migrate, pendingMigrations } from './migrate.ts'

async function emptyDatabase(): Promise<Database & { url: string }> {
  const db = await testDatabase()
  await db.run('drop schema public cascade; create schema public')
  return db
}

async function folderOf(files: Record<string, string>) {
  const folder = await mkdtemp(path.join(tmpdir(), 'migrations-'))
  atEnd(() => rm(folder, { recursive: true }))
  const write = (name: string, sql: string) => writeFile(path.join(folder, name), sql)
  for (const [name, sql] of Object.entries(files)) await write(name, sql)
  return { folder, write, remove: (name: string) => rm(path.join(folder, name)) }
}

const first = 'create table a (id int);\ninsert into a values (1);\n'
const tables = (db: Database) =>
  db.many(z.object({ t: z.string() }), `select tablename as t from pg_tables where schemaname = 'public' order by 1`)

test('files are applied once, in the order of their numbers', async () => {
  const db = await emptyDatabase()
  const { folder, write } = await folderOf({ '0002_b.sql': 'alter table a add b int', '0001_a.sql': first })
  assert.deepEqual(await pendingMigrations(db, folder), ['0001_a.sql', '0002_b.sql'])
  assert.deepEqual(await tables(db), [], 'looking changed the database')
  assert.deepEqual(await migrate(db, folder), ['0001_a.sql', '0002_b.sql'])
  assert.deepEqual(await migrate(db, folder), [])
  await write('0003_c.sql', 'create table c ()')
  assert.deepEqual(await migrate(db, folder), ['0003_c.sql'])
  assert.deepEqual(await tables(db), [{ t: 'a' }, { t: 'c' }, { t: 'migrations' }])
})

test('an empty folder is fine', async () => {
  const { folder } = await folderOf({})
  assert.deepEqual(await migrate(await emptyDatabase(), folder), [])
})

test('a file that fails leaves nothing of itself, and those before it stay', async () => {
  const db = await emptyDatabase()
  const { folder, write } = await folderOf({ '0001_a.sql': first, '0002_b.sql': 'create table b (); select 1 / 0' })
  await assert.rejects(migrate(db, folder), /0002_b\.sql was not applied: division by zero/)
  assert.deepEqual(await tables(db), [{ t: 'a' }, { t: 'migrations' }])
  await write('0002_b.sql', 'create table b ()')
  assert.deepEqual(await migrate(db, folder), ['0002_b.sql'])
})

test('a file may take longer than any statement of a page', async () => {
  const db = openDatabase({ url: (await emptyDatabase()).url })
  atEnd(() => db.close())
  Object.assign(db.pool.options, { statement_timeout: 200, query_timeout: 400 })
  const { folder } = await folderOf({ '0001_a.sql': `${first} select pg_sleep(1);` })
  assert.deepEqual(await migrate(db, folder), ['0001_a.sql'])
})

test('two processes that start together apply each file once', async () => {
  const db = await emptyDatabase()
  const other = openDatabase({ url: db.url })
  atEnd(() => other.close())
  const { folder } = await folderOf({
    '0001_a.sql': `${first} select pg_sleep(0.2);`,
    '0002_b.sql': 'create table b ()',
  })
  const applied = await Promise.all([migrate(db, folder), migrate(other, folder), migrate(db, folder)])
  assert.deepEqual(applied.flat().sort(), ['0001_a.sql', '0002_b.sql'])
})

test('an applied file that changed or disappeared is named and nothing is applied', async () => {
  const db = await emptyDatabase()
  const { folder, write, remove } = await folderOf({ '0001_a.sql': first, '0002_b.sql': 'create table b ()' })
  await migrate(db, folder)
  await write('0003_c.sql', 'create table c ()')

  await write('0001_a.sql', first.replaceAll('\n', '\r\n'))
  assert.deepEqual(await pendingMigrations(db, folder), ['0003_c.sql'], 'line ends are no change')
  await write('0001_a.sql', `${first}-- better\n`)
  await assert.rejects(migrate(db, folder), /0001_a\.sql has changed/)
  await remove('0001_a.sql')
  await assert.rejects(migrate(db, folder), /0001_a\.sql .* is gone/)
  assert.deepEqual(await tables(db), [{ t: 'a' }, { t: 'b' }, { t: 'migrations' }])
})

test('what a newer version has migrated is started on as long as it serves this one, and refused when it does not', async () => {
  const db = await emptyDatabase()
  const { folder, write, remove } = await folderOf({ '0001_a.sql': first })
  await migrate(db, folder)
  await write('0002_b.sql', '-- serves 0001\ncreate table b ()')
  assert.deepEqual(await migrate(db, folder), ['0002_b.sql'])
  await remove('0002_b.sql')
  assert.deepEqual(await migrate(db, folder), [], 'an old process starts, and goes on')

  await write('0002_b.sql', '-- serves 0001\ncreate table b ()')
  await write('0003_c.sql', '-- serves 0002\ndrop table a')
  assert.deepEqual(await migrate(db, folder), ['0003_c.sql'])
  await remove('0003_c.sql')
  assert.deepEqual(await migrate(db, folder), [], 'the one before is served')
  await remove('0002_b.sql')
  await assert.rejects(migrate(db, folder), /0003_c\.sql serves those that know 0002 or later.*start the newer version/)
})

test('names that leave the order in doubt are refused', async () => {
  const db = await emptyDatabase()
  const { folder, write, remove } = await folderOf({ '0002_b.sql': 'create table b ()' })
  await migrate(db, folder)
  await write('0001_late.sql', first)
  await assert.rejects(migrate(db, folder), /0001_late\.sql sorts before 0002_b\.sql/)
  await remove('0001_late.sql')
  await write('0002_again.sql', first)
  await assert.rejects(migrate(db, folder), /another file has the number 0002/)
  await remove('0002_again.sql')
  await write('3-fast.sql', first)
  await assert.rejects(migrate(db, folder), /3-fast\.sql: the name must be like/)
})
