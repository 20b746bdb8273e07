import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { loadRows, migrationsOf } from '../backups/load.ts'
import { type Backup, readBackup } from '../backups/manifest.ts'
import type { Db } from '../db/db.ts'
import type { MockGateway } from '../mock/server.ts'
import { type TestDatabase, testDatabase } from './database.ts'

/** Of which a database is kept, by its last migration. */
export const keptVersions = ['0006', '0050'] as const
type Version = (typeof keptVersions)[number]

export const kept = {
  /** Under which all of it was sealed. */
  secret: 'known to everybody: it seals nothing but rows of tests',
  /** Whose it is, and somebody who has another picture there. */
  owner: 'old-alice@example.com',
  other: 'old-bob@example.com',
}

/** A database as that version left it, as if that had been just now. */
export async function keptDatabase(version: Version): Promise<{ db: TestDatabase; backup: Backup }> {
  const backup = await readBackup(folderOf(version))
  const migrations = await migrationsOf(backup)
  const db = await emptyDatabase()
  await db.alone(async (client, tx) => {
    await client.query('begin')
    await loadRows(client, tx, backup, migrations, () => undefined)
    await moveTimes(tx, Date.now() - Date.parse(backup.manifest.madeAt))
    await client.query('commit')
  })
  return { db, backup }
}

/** As one that nobody has started on. */
export async function emptyDatabase(): Promise<TestDatabase> {
  const db = await testDatabase()
  await db.run('drop schema public cascade; create schema public; drop schema pgboss cascade')
  return db
}

/** Makes the people of that database at the gateway, who must be the first there, with the keys that it has sealed. */
export async function introduce(mock: MockGateway, version: Version): Promise<void> {
  const keys = z.record(z.string(), z.string()).parse(await readJson(version, 'keys.json'))
  for (const email of [kept.owner, kept.other]) mock.control.user(email, { balance: 100 })
  for (const [id, key] of Object.entries(keys)) mock.control.key(Number(id), { key })
}

/** What that version asks its database. */
export async function keptStatements(version: '0050'): Promise<string[]> {
  const packed = await readFile(path.join(folderOf(version), 'statements.json.gz'))
  return z.array(z.string()).parse(JSON.parse(gunzipSync(packed).toString('utf8')))
}

const readJson = async (version: Version, name: string): Promise<unknown> =>
  JSON.parse(await readFile(path.join(folderOf(version), name), 'utf8'))

function folderOf(version: Version): string {
  return path.join(import.meta.dirname, 'dumps', version)
}

const Column = z.object({ table: z.string(), column: z.string() })

async function moveTimes(tx: Db, milliseconds: number): Promise<void> {
  const columns = await tx.many(
    Column,
    `select format('%I', c.relname) as table, format('%I', attname) as column from pg_attribute join pg_class c on c.oid = attrelid
     where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and atttypid = 'timestamptz'::regtype
       and attgenerated = ''`,
  )
  for (const table of new Set(columns.map(each => each.table))) {
    const own = columns.filter(each => each.table === table).map(({ column }) => column)
    const moved = own.map(column => `${column} = ${column} + $1 * interval '1 millisecond'`)
    await tx.run(`alter table ${table} disable trigger user`)
    await tx.run(`update ${table} set ${moved.join(', ')}`, [milliseconds])
    await tx.run(`alter table ${table} enable trigger user`)
  }
}
