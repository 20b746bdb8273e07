import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import pg from 'pg'
import { z } from 'zod'
import type { Database } from './db.ts'

/** How to make a database in which every text can be kept and searched. */
export const UTF8_DATABASE = `create a database with "encoding 'UTF8' template template0 locale_provider icu icu_locale 'und'"`

const migrationsFolder = path.join(import.meta.dirname, '../../migrations')

interface Migration {
  name: string
  sql: string
  sha256: string
}

/**
 * Brings the schema up to date: applies the numbered files of the folder that the table `migrations` does not hold yet,
 * in order, each in its own transaction, under an advisory lock. Returns the names of those applied. Forward only:
 * throws, naming the file, when an applied one has changed or disappeared or when a new one sorts before an applied one.
 */
export async function migrate(db: Database, folder = migrationsFolder): Promise<string[]> {
  const files = await readMigrations(folder)
  if ((await pending(db, files)).length === 0 && files.length > 0) return []

  await refuseOtherEncodings(db)
  // An index on a large table, or another process's migrations, may take longer than a page may: no side gives up.
  const client = new pg.Client({ ...db.pool.options, query_timeout: 0 })
  // A connection that is lost ends the statement under way, which says so.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('set statement_timeout = 0; set idle_in_transaction_session_timeout = 0')
    // A power cut would undo the last of them, which are then applied again: nobody waits for the disk after each.
    await client.query('set synchronous_commit = off')
    await client.query(`select pg_advisory_lock(hashtext('migrations'))`)
    await client.query(`create table if not exists migrations (
      name text primary key, applied_at timestamptz not null default now(), sha256 text not null)`)
    const applied: string[] = []
    for (const migration of await pending(db, files)) {
      await apply(client, migration)
      applied.push(migration.name)
    }
    return applied
  } finally {
    await client.end() // and with it the lock and the settings
  }
}

/** The names of the files that `migrate` would apply; the same checks, and nothing is changed. */
export async function pendingMigrations(db: Database, folder = migrationsFolder): Promise<string[]> {
  return (await pending(db, await readMigrations(folder))).map(({ name }) => name)
}

async function refuseOtherEncodings(db: Database): Promise<void> {
  const { encoding } = await db.one(
    z.object({ encoding: z.string() }),
    `select current_setting('server_encoding') as encoding`,
  )
  if (encoding !== 'UTF8') {
    throw new Error(`the database has the encoding ${encoding}, which cannot keep every text: ${UTF8_DATABASE}`)
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter(name => name.endsWith('.sql')).sort()
  const numbers = new Set<string>()
  for (const name of names) {
    const number = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1]
    if (!number) throw new Error(`migrations/${name}: the name must be like 0001_what_it_does.sql`)
    if (numbers.has(number)) throw new Error(`migrations/${name}: another file has the number ${number}`)
    numbers.add(number)
  }
  return Promise.all(
    names.map(async name => {
      // git may check text out with other line ends on another machine
      const sql = (await readFile(path.join(folder, name), 'utf8')).replaceAll('\r\n', '\n')
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

const Applied = z.object({ name: z.string(), sha256: z.string() })

async function pending(db: Database, files: Migration[]): Promise<Migration[]> {
  const { exists } = await db.one(
    z.object({ exists: z.boolean() }),
    `select to_regclass('migrations') is not null as exists`,
  )
  if (!exists) return files
  // Sorted here, by code unit like the files: a database's collation may order digits and underscores otherwise.
  const applied = (await db.many(Applied, 'select name, sha256 from migrations')).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )
  for (const { name, sha256 } of applied) {
    const file = files.find(file => file.name === name)
    if (!file) throw new Error(`migrations/${name} has been applied to this database, but the file is gone`)
    if (file.sha256 !== sha256) {
      throw new Error(`migrations/${name} has changed since it was applied: restore it and add a new file instead`)
    }
  }
  const todo = files.filter(file => !applied.some(({ name }) => name === file.name))
  const last = applied.at(-1)?.name ?? ''
  const late = todo.find(({ name }) => name < last)
  if (late)
    throw new Error(`migrations/${late.name} sorts before ${last}, which has been applied: give it a higher number`)
  return todo
}

async function apply(client: pg.Client, { name, sql, sha256 }: Migration): Promise<void> {
  try {
    await client.query('begin')
    await client.query(sql)
    await client.query('insert into migrations (name, sha256) values ($1, $2)', [name, sha256])
    await client.query('commit')
  } catch (cause) {
    // No rollback: the caller closes the connection, which is one.
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`migrations/${name} was not applied: ${reason}`, { cause })
  }
}
