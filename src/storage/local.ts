import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { guarded, StorageError } from './errors.ts'
import { assertObjectName, exactly, type ObjectBody } from './objects.ts'
import type { ByteRange, Storage } from './storage.ts'

/**
 * Objects as files `<directory>/<first two characters>/<name>`. A write goes to a temporary file beside its target,
 * is flushed, renamed over the target, and the folder is flushed: after a power cut the object is whole or absent.
 */
export function openLocal(directory: string): Storage {
  const pathOf = (name: string) => {
    assertObjectName(name)
    return join(directory, name.slice(0, 2), name)
  }

  return {
    async put(name, bytes) {
      await write(pathOf(name), bytes)
    },

    async open(name, range) {
      const path = pathOf(name)
      return guarded('open', () => openFile(path, range))
    },

    async head(name) {
      const path = pathOf(name)
      const found = await guarded('head', () => stat(path).catch(absent))
      return found && { size: found.size }
    },

    async read(name) {
      const path = pathOf(name)
      return guarded('read', () => readFile(path).catch(absent))
    },

    onlyInBucket: async () => false,

    async delete(name) {
      const path = pathOf(name)
      await guarded('delete', () => unlink(path).catch(absent))
    },

    ready: () => guarded('ready', () => probe(directory)),
    sweepTemporary: olderThanMs => guarded('sweep', () => sweep(directory, Date.now() - olderThanMs)),
    close: async () => {},
  }
}

async function write(path: string, bytes: ObjectBody): Promise<void> {
  const source = 'stream' in bytes ? exactly(bytes) : null
  const temporary = temporaryBeside(path)
  try {
    await using file = await openNew(temporary)
    if ('file' in bytes) await copy(bytes, temporary, file)
    else await file.writeFile(source ? source.chunks() : (bytes as Uint8Array))
    await file.datasync()
    await rename(temporary, path)
    await flushFolder(dirname(path))
  } catch (cause) {
    if ('stream' in bytes) bytes.stream.destroy()
    await rm(temporary, { force: true }).catch(() => {})
    throw source?.failure() ?? new StorageError('put', { cause })
  }
}

/** By the kernel, past this process: of what is read here, the garbage alone is as large as the file. */
async function copy(source: { file: string; size: number }, path: string, target: FileHandle): Promise<void> {
  await copyFile(source.file, path)
  await target.chmod(0o600)
  const { size } = await target.stat()
  if (size !== source.size) throw new RangeError(`${size} bytes instead of the ${source.size} announced`)
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

async function openFile(path: string, range?: ByteRange) {
  const file = await open(path, 'r').catch(absent)
  if (!file) return null
  try {
    const { size } = await file.stat()
    return { stream: createReadStream(path, { ...range, fd: file, highWaterMark: 256 * 1024 }), size }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function probe(directory: string): Promise<void> {
  const path = temporaryBeside(join(directory, 're', 'ready'))
  await using file = await openNew(path)
  await file.writeFile('ready')
  await unlink(path)
}

async function sweep(directory: string, before: number): Promise<number> {
  let swept = 0
  for (const folder of (await readdir(directory).catch(absent)) ?? []) {
    for (const entry of await readdir(join(directory, folder)).catch(noFolder)) {
      if (!isTemporary(entry)) continue
      const path = join(directory, folder, entry)
      const found = await stat(path).catch(absent)
      if (!found || found.mtimeMs > before) continue
      await rm(path, { force: true })
      swept++
    }
  }
  return swept
}

// A leading dot is in no object name, so a temporary file can never be read as an object.
const temporaryBeside = (path: string) => join(dirname(path), `.${randomBytes(12).toString('hex')}.tmp`)

const isTemporary = (entry: string) => /^\.[0-9a-f]{24}\.tmp$/.test(entry)

async function flushFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

function noFolder(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
  throw error
}
