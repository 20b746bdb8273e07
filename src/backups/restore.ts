import { createHash } from 'node:crypto'
import { chmod, copyFile, lstat, mkdir, open, rename, rm, statfs } from 'node:fs/promises'
import path from 'node:path'
import type pg from 'pg'
import type { Config } from '../config.ts'
import { APPLICATION, type Database, type Db } from '../db/db.ts'
import { listApplied, lockMigrations, type Migration, refuseOtherEncodings } from '../db/migrate.ts'
import { objectTypeOf } from '../library/formats.ts'
import { drawnFormatOf } from '../pixels/digest.ts'
import { createSealer } from '../secrets/sealer.ts'
import type { Storage } from '../storage/storage.ts'
import { absent, flushFolder } from '../storage/whole-files.ts'
import { listMissing, objectOf } from './copy-objects.ts'
import { inParallel } from './in-parallel.ts'
import { loadRows, migrationsOf } from './load.ts'
import { type Backup, BackupError, hashOf, MANIFEST, OBJECTS, type Progress, readBackup } from './manifest.ts'
import { type Parked, park } from './parked.ts'
import * as queries from './queries.ts'

interface RestoreDeps {
  db: Database
  storage: Storage
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
  const objects = await objectsToPut(backup, deps)
  const files = await filesToCopy(backup, deps.config)
  const told = {
    madeAt: manifest.madeAt,
    tables: manifest.tables.length,
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    files: manifest.objects.count,
    notes: await notesOn(backup, deps),
  }
  if (dryRun) return { ...told, parked: { pictures: 0, answers: 0, news: 0 } }

  await putObjects(backup, objects, deps)
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
async function filesToCopy({ folder, sums }: Backup, config: Readonly<Config>): Promise<string[]> {
  const wanted: string[] = []
  let bytes = 0
  for (const [name, sum] of sums) {
    if (name === MANIFEST || name === OBJECTS || name.startsWith('database/')) continue
    if (config.s3 && objectOf(name) !== null) continue
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

/** Where there is a bucket, what is not in it yet: the paths in the backup. */
async function objectsToPut({ sums }: Backup, { config, storage, progress }: RestoreDeps): Promise<string[]> {
  if (!config.s3) return []
  const files = [...sums].filter(([name]) => objectOf(name) !== null)
  const wanted: string[] = []
  let done = 0
  await inParallel(files, async ([name, sum]) => {
    const there = await storage.read(objectOf(name)!)
    progress('looked for', ++done, files.length)
    if (!there) wanted.push(name)
    else if (createHash('sha256').update(there).digest('hex') !== sum) {
      throw new BackupError(`the bucket has another ${objectOf(name)} than the backup: restore into an empty one`)
    }
  })
  return wanted
}

async function putObjects({ folder }: Backup, names: string[], { storage, progress }: RestoreDeps): Promise<void> {
  let done = 0
  await inParallel(names, async name => {
    const file = path.join(folder, name)
    const object = objectOf(name)!
    const contentType = objectTypeOf(object, drawnFormatOf(await readHead(file)))
    await storage.put(object, { file, size: (await lstat(file)).size }, { contentType })
    progress('objects', ++done, names.length)
  })
}

/** As much as tells the format of a picture. */
async function readHead(name: string): Promise<Buffer> {
  await using file = await open(name)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0)
  return buffer.subarray(0, bytesRead)
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
function load({ db, progress }: RestoreDeps, backup: Backup, migrations: Migration[]): Promise<Parked> {
  return db.alone(async (client: pg.Client, tx: Db) => {
    // A process that is started now waits, and finds the database whole.
    await lockMigrations(tx)
    await client.query('begin')
    const tables = await loadRows(client, tx, backup, migrations, progress)
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

async function notesOn(backup: Backup, { config, storage }: RestoreDeps): Promise<string[]> {
  const { manifest } = backup
  const { current, older } = createSealer(config.sessionSecrets)
  const ours = [current, ...older].map(id => id.toString('hex'))
  const notes: string[] = []
  if (!manifest.secrets.some(id => ours.includes(id))) {
    notes.push(
      'SESSION_SECRET is another than when the backup was made: people have to sign in and choose their API keys again, and what waits to be sent cannot be',
    )
  }
  if (manifest.objects.place === 'bucket') {
    const missing = config.s3 ? await listMissing(storage, backup) : null
    notes.push(
      missing === null
        ? 'the pictures are not in the backup, and R2_* name no bucket: name the one that has them'
        : missing.length === 0
          ? `the pictures are not in the backup: all ${manifest.objects.count} objects are in the bucket`
          : `${missing.length} of ${manifest.objects.count} objects are missing in the bucket, or are of another length: ${missing.slice(0, 5).join(', ')}`,
    )
  }
  return notes
}
