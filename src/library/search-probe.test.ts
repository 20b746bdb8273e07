import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { openDatabase } from '../db/db.ts'
import { migrate } from '../db/migrate.ts'
import { testDatabase } from '../testing/database.ts'
import { searchNotes } from './search-probe.ts'

/** What is said at the start in a database that was created so. */
async function saidOf(made: string): Promise<string[]> {
  const server = await testDatabase()
  const name = `probe_${randomUUID().replaceAll('-', '')}`
  await server.pool.query(`create database ${name} template template0 ${made}`)
  const url = new URL(server.url)
  url.pathname = `/${name}`
  const db = openDatabase({ url: url.href, max: 2 })
  try {
    await migrate(db)
    return await searchNotes(db)
  } finally {
    await db.close()
    await server.pool.query(`drop database ${name} with (force)`)
  }
}

test('where letters of every script are known nothing is said', async () => {
  assert.deepEqual(await saidOf(`encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'`), [])
})

test('in a database of the locale C Chinese is found all the same, and a note says what is not and what to do', async () => {
  const said = await saidOf(`encoding 'UTF8' locale_provider libc locale 'C'`)
  assert.equal(said.length, 1)
  assert.match(said[0]!, /tells É from é.*create a database with "encoding 'UTF8'/)
})

test('a database that cannot keep every text is refused with what to do', async () => {
  await assert.rejects(
    saidOf(`encoding 'LATIN1' locale_provider libc locale 'C'`),
    /has the encoding LATIN1, which cannot keep every text: create a database/,
  )
})
