import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import type { Backup } from '../backups/manifest.ts'
import { openStorage } from '../storage/storage.ts'
import { replyIn, say } from '../testing/conversations.ts'
import type { TestDatabase } from '../testing/database.ts'
import { jobEnd } from '../testing/jobs.ts'
import { emptyDatabase, introduce, kept, keptDatabase, keptStatements, keptVersions } from '../testing/kept.ts'
import { signedIn } from '../testing/people.ts'
import { makePicture, makePictures } from '../testing/pictures.ts'
import { startProcess } from '../testing/process.ts'
import { testApp } from '../testing/server.ts'
import { migrate, pendingMigrations, readMigrations } from './migrate.ts'

const Row = z.record(z.string(), z.unknown())
const quick = { tickSeconds: 0.1, leaseSeconds: 2, sweepSeconds: 0.2, persistSeconds: 5 }

const rowsOf = async (db: TestDatabase, table: string, columns: readonly string[]): Promise<string[]> => {
  const rows = await db.many(Row, `select to_jsonb(t) as row from ${table} t`)
  const told = rows.map(({ row }) => JSON.stringify(columns.map(column => (row as z.output<typeof Row>)[column])))
  return told.sort()
}

async function tellAll(db: TestDatabase, { manifest }: Backup): Promise<Map<string, string[]>> {
  const told = new Map<string, string[]>()
  for (const { name, columns } of manifest.tables)
    if (name !== 'migrations') told.set(name, await rowsOf(db, name, columns))
  return told
}

for (const version of keptVersions) {
  test(`the database of ${version} has rows in every table, and in every state`, async () => {
    const { db, backup } = await keptDatabase(version)
    assert.deepEqual(
      backup.manifest.tables.filter(({ rows }) => rows === 0).map(({ name }) => name),
      [],
    )
    const Check = z.object({ table: z.string(), definition: z.string() })
    const checks = await db.many(
      Check,
      `select conrelid::regclass::text as table, pg_get_constraintdef(oid) as definition from pg_constraint
       where contype = 'c' and connamespace = 'public'::regnamespace`,
    )
    const missing: string[] = []
    for (const { table, definition } of checks) {
      const [, column, list] = /^CHECK \(\((\w+) = ANY \(ARRAY\[(.*)\]\)\)\)$/.exec(definition) ?? []
      if (!column || !list) continue
      const there = await rowsOf(db, table, [column])
      for (const [, value] of list.matchAll(/'([^']*)'::text/g))
        if (!there.includes(JSON.stringify([value]))) missing.push(`${table}.${column}: ${value}`)
    }
    assert.deepEqual(missing, [])
  })

  test(`an upgrade of ${version} changes no row that it need not, and two processes that start on it at once do it once`, async () => {
    const { db, backup } = await keptDatabase(version)
    const before = await tellAll(db, backup)
    const pending = await pendingMigrations(db)
    const applied = await Promise.all([migrate(db), migrate(db)])
    assert.deepEqual(applied.flat(), pending)
    const after = await tellAll(db, backup)
    for (const [table, rows] of before) assert.deepEqual(after.get(table), rows, table)
  })

  test(`people of ${version} find everything after an upgrade, what waited goes on, and nothing is paid for twice`, async () => {
    const app = await testApp({ role: 'web', sessionSecrets: [kept.secret] })
    await introduce(app.mock, version)
    const { db } = await keptDatabase(version)
    const { browser } = await app.another({ role: 'all', databaseUrl: db.url, worker: quick })
    const owner = await signedIn(app, kept.owner, browser())
    const other = await signedIn(app, kept.other, browser())

    const Id = z.object({ id: z.string() })
    const userId = app.mock.control.user(kept.owner).id
    const ids = async (sql: string) => (await db.many(Id, sql, [userId])).map(({ id }) => id)
    const jobs = await ids(`select id from image_jobs where user_id = $1`)
    const pages = [
      '/images',
      '/library',
      '/library/trash',
      '/chat',
      '/agents',
      '/account',
      '/spend',
      '/gallery',
      '/exports',
    ]
    const addresses = [
      ...pages,
      ...jobs.map(id => `/images/${id}`),
      ...(await ids(`select id from pictures where user_id = $1 and deleted_at is null`)).map(id => `/library/${id}`),
      ...(await ids(`select id from conversations where user_id = $1`)).map(id => `/chat/${id}`),
      ...(await ids(`select id from ssh_keys where user_id = $1 and revoked_at is null`)).map(id => `/agents/${id}`),
    ]
    for (const address of addresses) {
      assert.equal((await owner.get(address)).status, 200, address)
      if (/\/[0-9a-f-]{36}$/.test(address)) assert.equal((await other.get(address)).status, 404, address)
    }

    const of = async (prompt: string) => (await db.one(Id, `select id from image_jobs where prompt = $1`, [prompt])).id
    assert.equal((await jobEnd(db, await of('waits since then'))).state, 'done')
    assert.equal((await jobEnd(db, await of('was under way then'))).state, 'unknown')
    assert.equal((await jobEnd(db, await of('called off then'))).state, 'cancelled')
    const calls = (prompt: string) => app.mock.control.calls({ prompt, path: '/v1/images/generations' })
    assert.equal(calls('waits since then').length, 1)
    assert.equal(calls('was under way then').length, 0)
    const conversation = async (words: string) =>
      (await db.one(Id, `select conversation_id as id from chat_messages where role = 'user' and text = $1`, [words]))
        .id
    await replyIn(db, await conversation('What waits since then?'), 'done')
    await replyIn(db, await conversation('What was under way then?'), 'unknown')

    const storage = openStorage({
      localDirectory: path.join(app.config.dataDirectory, 'assets'),
      s3: null,
      keepLocal: false,
    })
    const { token } = await db.one(
      z.object({ token: z.string() }),
      `select token from pictures where prompt = $1 limit 1`,
      ['a lighthouse of old'],
    )
    const made = await makePicture({ ...app, db }, owner, 'a picture of now')
    const bytes = await owner.get(`/files/${made.token}`)
    await storage.put(token, bytes.body, { contentType: 'image/png' })
    assert.deepEqual((await owner.get(`/files/${token}`)).body, bytes.body)
    assert.equal((await other.get(`/files/${token}`)).status, 404)
    await makePictures({ ...app, db }, owner, { prompt: 'an edit of now', reference: made.token })
    const old = await conversation('What is a good paper for linocut prints?')
    // What nobody knows the cost of is held against a budget, and then one answer at a time may be without a bound.
    await db.run('delete from budgets')
    await say(owner, 'And which ink?', old)
    assert.match((await replyIn(db, old, 'done')).text, /\w/)
  })
}

test('a process of 0050 that still runs can ask all it asks once this version has migrated', async () => {
  const { db, backup } = await keptDatabase('0050')
  await migrate(db)
  const broken: string[] = []
  const client = await db.pool.connect()
  try {
    for (const sql of await keptStatements('0050')) {
      try {
        await client.query(`prepare kept as ${sql}`)
        await client.query('deallocate kept')
      } catch (error) {
        broken.push(`${(error as Error).message}: ${sql}`)
      }
    }
  } finally {
    client.release()
  }
  assert.deepEqual(broken, [])
  // And its rows, which name no column that is new.
  const columns = await db.many(
    z.object({ name: z.string() }),
    `select c.relname || '.' || attname as name from pg_attribute join pg_class c on c.oid = attrelid
     where c.relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
       and attnotnull and not atthasdef and attidentity = '' and c.relname = any($1)`,
    [backup.manifest.tables.map(({ name }) => name)],
  )
  const known = new Set(backup.manifest.tables.flatMap(table => table.columns.map(column => `${table.name}.${column}`)))
  assert.deepEqual(
    columns.map(({ name }) => name).filter(name => !known.has(name)),
    [],
  )
})

test('two processes that start at once on an empty database make it once, and both serve', async () => {
  const app = await testApp({ role: 'web' })
  const db = await emptyDatabase()
  const processes = await Promise.all([1, 2].map(() => startProcess(app, { DATABASE_URL: db.url })))
  for (const { url } of processes) assert.equal((await fetch(`${url}/ready`)).status, 200)
  const names = await db.many(z.object({ name: z.string() }), `select name from migrations order by name collate "C"`)
  assert.deepEqual(
    names.map(({ name }) => name),
    (await readMigrations()).map(({ name }) => name),
  )
})
