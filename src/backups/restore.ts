import { chmod, copyFile, lstat, mkdir, open, rename, rm, statfs } from 'node:fs/promises'
import path from 'node:path'
import type pg from 'pg'
import type { Config } from '../config.ts'
import { APPLICATION, type Database, type Db } from '../db/db.ts'
import {
  apply,
  listApplied,
  lockMigrations,
  type Migration,
  readMigrations,
  refuseOtherEncodings,
} from '../db/migrate.ts'
import { createSealer } from '../secrets/sealer.ts'
import { absent, flushFolder } from '../storage/whole-files.ts'
import { loadTable } from './dump.ts'
import { inParallel } from './in-parallel.ts'
import { type Backup, BackupError, hashOf, MANIFEST, type Progress, readBackup } from './manifest.ts'
import { type Parked, park } from './parked.ts'
import * as queries from './queries.ts'

interface RestoreDeps {
  db: Database
  config: Readonly<Config>
  progress: Progress
}

export interface Restored {
  madeAt: string
  tables: number
  rows: number
  files: number
  /** What waits for the operator now. */
  parked: Parked
  /** What an operator has to know. */
  notes: string[]
}

/**
 * Brings a backup into an empty place: a database without rows and a data directory without other files. All of it is
 * checked before anything is touched; `dryRun` ends there. The database is filled in one transaction, in which all that
 * may be paid for is parked, and compared before it commits. Throws `BackupError`.
 */
export async function restoreBackup(
  deps: RestoreDeps,
  folder: string,
  { dryRun }: { dryRun: boolean },
): Promise<Restored> {
  const backup = await readBackup(folder)
  const { manifest } = backup
  await verify(backup, deps.progress)
  const migrations = await migrationsOf(backup)
  await refuseOtherEncodings(deps.db)
  await refuseRunning(deps.db)
  await refuseFilled(deps.db, backup)
  const files = await filesToCopy(backup, deps.config)
  const told = {
    madeAt: manifest.madeAt,
    tables: manifest.tables.length,
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    files: manifest.objects.count,
    notes: notesOn(backup, deps.config),
  }
  if (dryRun) return { ...told, parked: { pictures: 0, answers: 0, news: 0 } }

  await copyFiles(backup, files, deps)
  return { ...told, parked: await load(deps, backup, migrations) }
}

/** Every file is what it was when the backup was made. */
async function verify({ folder, sums }: Backup, progress: Progress): Promise<void> {
  const wrong: string[] = []
  let done = 0
  await inParallel([...sums], async ([name, sum]) => {
    const found = await hashOf(path.join(folder, name)).catch(absent)
    if (found !== sum) wrong.push(`${name} ${found === null ? 'is missing' : 'has been changed'}`)
    progress('checked', ++done, sums.size)
  })
  if (wrong.length > 0) {
    const more = wrong.length > 5 ? `, and ${wrong.length - 5} more` : ''
    throw new BackupError(`the backup is damaged: ${wrong.sort().slice(0, 5).join(', ')}${more}`)
  }
}

async function migrationsOf({ manifest }: Backup): Promise<Migration[]> {
  const known = new Map((await readMigrations()).map(file => [file.name, file]))
  return manifest.migrations.map(({ name, sha256 }) => {
    const file = known.get(name)
    if (file?.sha256 !== sha256) {
      throw new BackupError(`the backup needs migrations/${name}, which this version has not: use the version it is of`)
    }
    return file
  })
}

async function refuseRunning(db: Db): Promise<void> {
  if ((await queries.countConnections(db, APPLICATION)) === 0) return
  throw new BackupError('the app is running on this database: stop all of its processes first')
}

async function refuseFilled(db: Db, { manifest }: Backup): Promise<void> {
  const applied = await listApplied(db)
  if (applied.length === 0) return
  const filled = await queries.listFilled(db)
  const isSame = applied.map(({ name }) => name).join() === manifest.migrations.map(({ name }) => name).join()
  if (filled.length === 0 && isSame) return
  const why = filled.length > 0 ? `has rows already, in ${filled.slice(0, 3).join(', ')}` : 'is of another version'
  throw new BackupError(`the database ${why}: make an empty one, and name it in DATABASE_URL`)
}

/** Those that are not there yet: what an earlier try brought is the same. */
async function filesToCopy({ folder, sums, manifest }: Backup, config: Readonly<Config>): Promise<string[]> {
  if (manifest.objects.place === 'here' && config.s3) {
    throw new BackupError('the backup has the pictures in it: restore it without R2_*')
  }
  const wanted: string[] = []
  let bytes = 0
  for (const [name, sum] of sums) {
    if (name === MANIFEST || name.startsWith('database/')) continue
    const target = path.join(config.dataDirectory, name)
    const found = await lstat(target).catch(absent)
    if (!found) {
      wanted.push(name)
      bytes += (await lstat(path.join(folder, name))).size
    } else if (!found.isFile() || (await hashOf(target)) !== sum) {
      throw new BackupError(`${target} is another file than that of the backup: restore into an empty directory`)
    }
  }
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 })
  const { bavail, bsize } = await statfs(config.dataDirectory)
  if (bavail * bsize < bytes) {
    throw new BackupError(
      `the backup needs ${bytes} bytes in ${config.dataDirectory}, of which ${bavail * bsize} are free`,
    )
  }
  return wanted
}

async function copyFiles({ folder }: Backup, names: string[], { config, progress }: RestoreDeps): Promise<void> {
  const folders = new Set(names.map(name => path.dirname(path.join(config.dataDirectory, name))))
  for (const target of folders) await mkdir(target, { recursive: true, mode: 0o700 })
  let done = 0
  await inParallel(names, async name => {
    await copyWhole(path.join(folder, name), path.join(config.dataDirectory, name))
    progress('files', ++done, names.length)
  })
  for (const target of folders) await flushFolder(target)
}

async function copyWhole(from: string, to: string): Promise<void> {
  const draft = path.join(path.dirname(to), `.restore-${path.basename(to)}`)
  try {
    await copyFile(from, draft)
    await chmod(draft, 0o600)
    await using file = await open(draft, 'r')
    await file.sync()
    await rename(draft, to)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** One transaction: the rows of the backup, parked where they may be paid for, or nothing. */
function load({ db, progress }: RestoreDeps, { folder, manifest }: Backup, migrations: Migration[]): Promise<Parked> {
  return db.alone(async (client: pg.Client, tx: Db) => {
    // A process that is started now waits, and finds the database whole.
    await lockMigrations(tx)
    await client.query('begin')
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
    for (const { name, rows } of tables) {
      const found = await queries.countRows(tx, name)
      if (found !== rows) throw new BackupError(`${name} has ${found} rows instead of ${rows}: nothing was restored`)
    }
    const parked = await park(tx)
    await refuseRunning(tx)
    await client.query('commit')
    return parked
  })
}

function notesOn({ manifest }: Backup, config: Readonly<Config>): string[] {
  const { current, older } = createSealer(config.sessionSecrets)
  const ours = [current, ...older].map(id => id.toString('hex'))
  const notes: string[] = []
  if (!manifest.secrets.some(id => ours.includes(id))) {
    notes.push(
      'SESSION_SECRET is another than when the backup was made: people have to sign in and choose their API keys again, and what waits to be sent cannot be',
    )
  }
  if (manifest.objects.place === 'bucket') {
    notes.push(
      'the pictures are not in the backup: they lie in the bucket. npm run check:site says which are missing there',
    )
  }
  return notes
}
