import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { Database, Db } from './db.ts'

/** How to make a database in which every text can be kept and searched. */
export const UTF8_DATABASE = `create a database with "encoding 'UTF8' template template0 locale_provider icu icu_locale 'und'"`

const migrationsFolder = path.join(import.meta.dirname, '../../migrations')

export interface Migration {
  name: string
  sql: string
  sha256: string
  /** Number of the last migration of the oldest version that works on what this one leaves. */
  serves: string
}

/**
 * Brings the schema up to date: applies the numbered files of the folder that the table `migrations` does not hold yet,
 * in order, each in its own transaction, under an advisory lock. Returns the names of those applied. Forward only:
 * throws, naming the file, when an applied one has changed or disappeared or when a new one sorts before an applied one.
 *
 * A file says by its first line, `-- serves 0034`, that processes which end at that migration work on; this version starts on
 * a database that a newer one has migrated as long as all it did there serves it. Without that line it serves its own only.
 */
export async function migrate(db: Database, folder = migrationsFolder): Promise<string[]> {
  const files = await readMigrations(folder)
  if ((await pending(db, files)).length === 0 && files.length > 0) return []

  await refuseOtherEncodings(db)
  return db.alone(async (client, tx) => {
    // A power cut would undo the last of them, which are then applied again: nobody waits for the disk after each.
    await client.query('set synchronous_commit = off')
    await lockMigrations(tx)
    const applied: string[] = []
    for (const migration of await pending(tx, files)) {
      await client.query('begin')
      await apply(tx, migration)
      await client.query('commit')
      applied.push(migration.name)
    }
    return applied
  })
}

/** Nobody else migrates, and nobody starts on an empty database, until the connection ends. */
export async function lockMigrations(tx: Db): Promise<void> {
  await tx.run(`select pg_advisory_lock(hashtext('migrations'))`)
}

/** The names of the files that `migrate` would apply; the same checks, and nothing is changed. */
export async function pendingMigrations(db: Database, folder = migrationsFolder): Promise<string[]> {
  return (await pending(db, await readMigrations(folder))).map(({ name }) => name)
}

/** Throws unless the database can keep every text. */
export async function refuseOtherEncodings(db: Db): Promise<void> {
  const { encoding } = await db.one(
    z.object({ encoding: z.string() }),
    `select current_setting('server_encoding') as encoding`,
  )
  if (encoding !== 'UTF8') {
    throw new Error(`the database has the encoding ${encoding}, which cannot keep every text: ${UTF8_DATABASE}`)
  }
}

/** All files of the folder, in order. */
export async function readMigrations(folder = migrationsFolder): Promise<Migration[]> {
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
      const serves = /^-- serves (\d{4})\n/.exec(sql)?.[1] ?? name.slice(0, 4)
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex'), serves }
    }),
  )
}

const Applied = z.object({ name: z.string(), sha256: z.string(), serves: z.string().nullable() })

/** What the database has had, in order. */
export async function listApplied(db: Db): Promise<z.output<typeof Applied>[]> {
  const { exists } = await db.one(
    z.object({ exists: z.boolean() }),
    `select to_regclass('migrations') is not null as exists`,
  )
  if (!exists) return []
  // The column came later than the table.
  const applied = await db.many(Applied, `select name, sha256, to_jsonb(m) ->> 'serves' as serves from migrations m`)
  // Sorted here, by code unit like the files: a database's collation may order digits and underscores otherwise.
  return applied.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function pending(db: Db, files: Migration[]): Promise<Migration[]> {
  const applied = await listApplied(db)
  const newest = files.at(-1)?.name ?? ''
  for (const { name, sha256, serves } of applied) {
    const file = files.find(file => file.name === name)
    if (!file && name > newest && serves !== null) {
      if (serves <= newest.slice(0, 4)) continue
      throw new Error(
        `a newer version has migrated this database: migrations/${name} serves those that know ${serves} or later, and this one ends at ${newest}: start the newer version`,
      )
    }
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

/** In the caller's transaction, under `lockMigrations`. */
export async function apply(tx: Db, { name, sql, sha256, serves }: Migration): Promise<void> {
  try {
    await tx.run(`create table if not exists migrations (
      name text primary key, applied_at timestamptz not null default now(), sha256 text not null)`)
    await tx.run(`alter table migrations add column if not exists serves text`)
    await tx.run(sql)
    await tx.run('insert into migrations (name, sha256, serves) values ($1, $2, $3)', [name, sha256, serves])
  } catch (cause) {
    // No rollback: the caller closes the connection, which is one.
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`migrations/${name} was not applied: ${reason}`, { cause })
  }
}
