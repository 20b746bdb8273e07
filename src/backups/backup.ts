import { createHash } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type pg from 'pg'
import type { Config } from '../config.ts'
import type { Database, Db } from '../db/db.ts'
import { listApplied } from '../db/migrate.ts'
import { createSealer } from '../secrets/sealer.ts'
import type { Storage } from '../storage/storage.ts'
import { absent, flushFolder, writeWhole } from '../storage/whole-files.ts'
import { copyFiles } from './copy-files.ts'
import { copyObjects, listObjects } from './copy-objects.ts'
import { dumpTable } from './dump.ts'
import {
  type Backup,
  BackupError,
  BESIDE,
  dumpOf,
  FOLDERS,
  formatSums,
  MANIFEST,
  type Manifest,
  type Progress,
  readBackup,
  SUMS,
  type Sums,
} from './manifest.ts'
import { listSequences, listTables, lockBackups, serverVersion } from './queries.ts'

const PARTIAL = '.partial-'
const isBackup = (name: string) => /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/.test(name)

interface BackupOptions {
  /** Where backups lie, one folder each, of this installation alone. */
  directory: string
  /** So many are kept, with the new one. */
  keep: number
  /** Of a bucket only the list: its objects stay where they are. */
  listOnly: boolean
  progress: Progress
}

export interface MadeBackup {
  folder: string
  manifest: Manifest
  /** Names of those that went. */
  removed: string[]
}

/**
 * Makes a backup beside a running app: the database as it was at one moment, then the files that it names. It is there
 * whole or not at all. Throws `BackupError`, and what the file system says.
 */
export async function makeBackup(
  { db, config, storage }: { db: Database; config: Readonly<Config>; storage: Storage },
  { directory, keep, listOnly, progress }: BackupOptions,
): Promise<MadeBackup> {
  refuseInside(directory, config.dataDirectory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  return db.alone(async (client, tx) => {
    if (!(await lockBackups(tx))) throw new BackupError('another backup of this database is being made')
    await removePartial(directory)
    const name = new Date().toISOString().replaceAll(/[:.]/g, '-')
    const partial = path.join(directory, `${PARTIAL}${name}`)
    const folder = path.join(directory, name)
    try {
      await mkdir(path.join(partial, 'database'), { recursive: true, mode: 0o700 })
      const before = await newest(directory)
      const manifest = await fill(partial, { client, tx, config, storage, listOnly, before, progress })
      await rename(partial, folder)
      await flushFolder(directory)
      return { folder, manifest, removed: await removeOld(directory, keep) }
    } catch (error) {
      await rm(partial, { recursive: true, force: true }).catch(() => undefined)
      throw error
    }
  })
}

interface Source {
  client: pg.Client
  tx: Db
  config: Readonly<Config>
  storage: Storage
  listOnly: boolean
  before: Backup | null
  progress: Progress
}

async function fill(target: string, source: Source): Promise<Manifest> {
  const { client, tx, config, storage, listOnly, before, progress } = source
  const sums: Sums = new Map()
  const place = config.s3 && listOnly ? 'bucket' : 'here'
  const copy = async () => {
    await copyFiles(config.dataDirectory, target, { folders: config.s3 ? BESIDE : FOLDERS, sums, before, progress })
    if (config.s3 && !listOnly) await copyObjects(storage, target, { sums, before, progress })
  }
  // Before as well: what people delete for good while the database is read may be named by what was read.
  await copy()

  await client.query('begin isolation level repeatable read read only')
  const migrations = (await listApplied(tx)).map(({ name, sha256 }) => ({ name, sha256 }))
  if (migrations.length === 0) throw new BackupError('there is nothing to back up: the database was never migrated')
  const found = await listTables(tx)
  const tables: Manifest['tables'] = []
  for (const [index, table] of found.entries()) {
    progress('tables', index, found.length)
    const { rows, sha256 } = await dumpTable(client, target, table)
    tables.push({ ...table, rows })
    sums.set(dumpOf(table.name), sha256)
  }
  progress('tables', found.length, found.length)
  const sequences = await listSequences(tx)
  const postgres = await serverVersion(tx)
  await client.query('commit')
  await flushFolder(path.join(target, 'database'))

  await copy()
  const objects = place === 'bucket' ? await listObjects(storage, tx, target, sums) : await sizeOf(target, sums)
  const { older, current } = createSealer(config.sessionSecrets)
  const manifest: Manifest = {
    format: 1,
    madeAt: new Date().toISOString(),
    postgres,
    migrations,
    tables,
    sequences,
    objects: { place, ...objects },
    secrets: [current, ...older].map(id => id.toString('hex')),
    files: sums.size + 1,
  }
  const told = `${JSON.stringify(manifest, null, 2)}\n`
  await writeWhole(path.join(target, MANIFEST), file => file.writeFile(told))
  sums.set(MANIFEST, createHash('sha256').update(told).digest('hex'))
  await writeWhole(path.join(target, SUMS), file => file.writeFile(formatSums(sums)))
  return manifest
}

async function sizeOf(target: string, sums: Sums): Promise<{ count: number; bytes: number }> {
  let count = 0
  let bytes = 0
  for (const name of sums.keys()) {
    if (name.startsWith('database/')) continue
    count++
    bytes += (await stat(path.join(target, name))).size
  }
  return { count, bytes }
}

function refuseInside(directory: string, dataDirectory: string): void {
  const way = path.relative(dataDirectory, path.resolve(directory))
  if (!way.startsWith('..') && !path.isAbsolute(way)) {
    throw new BackupError('backups must lie outside PLAYGROUND_DATA_DIR: what is lost with it would be lost too')
  }
}

/** Finished backups, the oldest first. */
export async function listBackups(directory: string): Promise<string[]> {
  const names = ((await readdir(directory).catch(absent)) ?? []).filter(isBackup).sort()
  const whole = await Promise.all(names.map(name => stat(path.join(directory, name, SUMS)).catch(() => null)))
  return names.filter((_, index) => whole[index] !== null).map(name => path.join(directory, name))
}

/** The one before, if it can be read. */
async function newest(directory: string): Promise<Backup | null> {
  const last = (await listBackups(directory)).at(-1)
  return last ? await readBackup(last).catch(() => null) : null
}

/** What a backup that was killed left behind: under the lock nobody is at it. */
async function removePartial(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(PARTIAL)) await rm(path.join(directory, name), { recursive: true, force: true })
  }
}

async function removeOld(directory: string, keep: number): Promise<string[]> {
  const old = (await listBackups(directory)).slice(0, -keep)
  for (const folder of old) {
    // Renamed first: half of it must not be taken for a backup.
    const going = path.join(directory, `${PARTIAL}${path.basename(folder)}`)
    await rename(folder, going)
    await rm(going, { recursive: true, force: true })
  }
  return old.map(folder => path.basename(folder))
}
