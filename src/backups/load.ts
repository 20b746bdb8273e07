import type pg from 'pg'
import type { Db } from '../db/db.ts'
import { apply, listApplied, type Migration, readMigrations } from '../db/migrate.ts'
import { loadTable } from './dump.ts'
import { type Backup, BackupError, type Manifest, type Progress } from './manifest.ts'
import * as queries from './queries.ts'

/** Those that made the schema of the backup. Throws `BackupError` when this version does not have them. */
export async function migrationsOf({ manifest }: Backup): Promise<Migration[]> {
  const known = new Map((await readMigrations()).map(file => [file.name, file]))
  return manifest.migrations.map(({ name, sha256 }) => {
    const file = known.get(name)
    if (file?.sha256 !== sha256) {
      throw new BackupError(`the backup needs migrations/${name}, which this version has not: use the version it is of`)
    }
    return file
  })
}

/**
 * Makes the schema of the backup where there is none, and has in its tables what the backup has, and nothing else. In the
 * transaction of the caller. Answers the tables, with the rows that each must have now.
 */
export async function loadRows(
  client: pg.ClientBase,
  tx: Db,
  { folder, manifest }: Backup,
  migrations: readonly Migration[],
  progress: Progress,
): Promise<Manifest['tables']> {
  if ((await listApplied(tx)).length === 0) for (const migration of migrations) await apply(tx, migration)
  const tables = manifest.tables.filter(({ name }) => name !== 'migrations')
  const names = (await queries.listTables(tx)).map(({ name }) => name).filter(name => name !== 'migrations')
  await queries.emptyTables(tx, names)
  const keys = await queries.dropForeignKeys(tx)
  await queries.setTriggers(tx, names, 'disable')
  for (const [index, table] of tables.entries()) {
    progress('tables', index, tables.length)
    await loadTable(client, folder, table)
  }
  progress('tables', tables.length, tables.length)
  await queries.setTriggers(tx, names, 'enable')
  await queries.addForeignKeys(tx, keys)
  for (const sequence of manifest.sequences) await queries.setSequence(tx, sequence)
  return tables
}
