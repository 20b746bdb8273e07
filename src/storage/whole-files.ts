import { randomBytes } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Writes a file by what `fill` does: to a temporary file beside it, flushed, renamed over `path`, and the folder is
 * flushed. After a power cut the file is whole or absent. Folders that are missing are made, for their owner only.
 */
export function writeWhole(path: string, fill: Fill): Promise<void> {
  return put(path, fill, rename)
}

/** As `writeWhole`, but a file that is there already stays, so that processes that start together agree. */
export function linkWhole(path: string, text: string): Promise<void> {
  return put(
    path,
    file => file.writeFile(text),
    async temporary => {
      await link(temporary, path).catch(error => {
        if (error.code !== 'EEXIST') throw error
      })
      await rm(temporary)
    },
  )
}

type Fill = (file: FileHandle, temporary: string) => Promise<void>

async function put(path: string, fill: Fill, place: (temporary: string, path: string) => Promise<void>): Promise<void> {
  const temporary = temporaryBeside(path)
  try {
    await using file = await openNew(temporary)
    await fill(file, temporary)
    await file.datasync()
    await place(temporary, path)
    await flushFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
}

/** Throws unless files can be written, read and deleted in this folder. */
export async function probeFolder(directory: string): Promise<void> {
  const path = temporaryBeside(join(directory, 'ready'))
  await using file = await openNew(path)
  await file.writeFile('ready')
  await readFile(path)
  await rm(path)
}

/** Deletes what writes that crashed before `before`, in ms since the epoch, left in this folder; answers how many files. */
export async function sweepTemporary(folder: string, before: number): Promise<number> {
  let swept = 0
  for (const entry of await readdir(folder).catch(noFolder)) {
    if (!isTemporary(entry)) continue
    const path = join(folder, entry)
    const found = await stat(path).catch(absent)
    if (!found || found.mtimeMs > before) continue
    await rm(path, { force: true })
    swept++
  }
  return swept
}

export function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

/** Opens a file that must not exist yet, with its folder when that is missing. */
async function openNew(path: string) {
  const found = await open(path, 'wx', 0o600).catch(absent)
  if (found) return found
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await flushFolder(dirname(folder))
  return open(path, 'wx', 0o600)
}

/** After a power cut what was renamed in it is there. */
export async function flushFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

// A leading dot is in no object name, so a temporary file can never be read as an object.
const temporaryBeside = (path: string) => join(dirname(path), `.${randomBytes(12).toString('hex')}.tmp`)

/** Whether it is what a write that crashed left behind, or one that is under way. */
export const isTemporary = (entry: string) => /^\.[0-9a-f]{24}\.tmp$/.test(entry)

export function noFolder(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
  throw error
}
