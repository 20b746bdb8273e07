import { constants } from 'node:fs'
import { chmod, copyFile, link, lstat, mkdir, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { absent, flushFolder, isTemporary } from '../storage/whole-files.ts'
import { inParallel } from './in-parallel.ts'
import { type Backup, hashOf, type Progress, type Sums } from './manifest.ts'

/** What a copy is put down in, and what it may share with. */
export interface Copying {
  sums: Sums
  before: Backup | null
  progress: Progress
}

/**
 * Copies what lies in the data directory and is not in the backup yet, and notes its hash. Pictures never change under
 * their names: those that the backup before has are linked, so that another one takes the room of what is new.
 */
export async function copyFiles(
  dataDirectory: string,
  target: string,
  { folders: wantedFolders, sums, before, progress }: { folders: readonly string[] } & Copying,
): Promise<void> {
  const names = (await Promise.all(wantedFolders.map(folder => filesIn(dataDirectory, folder)))).flat()
  const wanted = names.filter(name => !sums.has(name))
  const folders = new Set(wanted.map(name => path.dirname(path.join(target, name))))
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 })
  let done = 0
  await inParallel(wanted, async name => {
    const here = await lstat(path.join(dataDirectory, name)).catch(absent)
    const sum =
      (here && (await linked(target, name, here.size, before))) ??
      (await copied(path.join(dataDirectory, name), path.join(target, name)))
    if (sum) sums.set(name, sum)
    progress('files', ++done, wanted.length)
  })
  for (const folder of folders) await flushFolder(folder)
}

/** The hash of what the backup before has under this name, which is the same; null when that is not so, or cannot be shared. */
export async function linked(
  target: string,
  name: string,
  size: number,
  before: Backup | null,
): Promise<string | null> {
  const sum = before?.sums.get(name)
  if (!before || !sum || !name.startsWith('assets/') || name.endsWith('.conversation')) return null
  const old = path.join(before.folder, name)
  if ((await lstat(old).catch(absent))?.size !== size) return null
  try {
    await link(old, path.join(target, name))
    return sum
  } catch {
    return null // another disk, or one without links
  }
}

/** The hash of the copy; null when it was deleted meanwhile. */
async function copied(from: string, to: string): Promise<string | null> {
  const copy = await copyFile(from, to, constants.COPYFILE_FICLONE).then(() => true, absent)
  if (!copy) return null
  await chmod(to, 0o600)
  await using file = await open(to, 'r')
  await file.sync()
  return hashOf(to)
}

/** Plain files below a folder, by their paths from `root`, with `/`. */
export async function filesIn(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true }).catch(absent)
  return (entries ?? [])
    .filter(entry => entry.isFile() && !isTemporary(entry.name))
    .map(entry => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
}
