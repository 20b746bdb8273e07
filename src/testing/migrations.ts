import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const migrations = path.join(import.meta.dirname, '../../migrations')

/** A folder with the migrations that an older version had, up to this number. */
export async function migrationsUpTo(last: string): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'migrations-'))
  for (const name of await readdir(migrations))
    if (name.slice(0, 4) <= last) await copyFile(path.join(migrations, name), path.join(folder, name))
  return { folder, remove: () => rm(folder, { recursive: true }) }
}
