import { createReadStream } from 'node:fs'
import { copyFile, type FileHandle, open, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { guarded, StorageError } from './errors.ts'
import { assertObjectName, exactly, isObjectName, type ObjectBody } from './objects.ts'
import { takeFile } from './pieces.ts'
import type { ByteRange, Listed, Storage } from './storage.ts'
import { absent, noFolder, probeFolder, sweepTemporary, writeWhole } from './whole-files.ts'

// Below 128 KiB, from where on each chunk would be memory new from the system (MALLOC_MMAP_THRESHOLD_ in package.json).
const CHUNK_BYTES = 120 * 1024

/**
 * Objects as files `<directory>/<first two characters>/<name>`. A write goes to a temporary file beside its target,
 * is flushed, renamed over the target, and the folder is flushed: after a power cut the object is whole or absent.
 */
export function openLocal(directory: string): Storage {
  let isProven = false
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

    async take(name, take, range) {
      return takeFile(pathOf(name), take, range)
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

    list: () => list(directory),

    async delete(name) {
      const path = pathOf(name)
      await guarded('delete', () => unlink(path).catch(absent))
    },

    async ready() {
      await guarded('ready', () => probeFolder(join(directory, 're')))
      isProven = true
    },
    isProven: () => isProven,
    sweepTemporary: (olderThanMs, stopping) =>
      guarded('sweep', () => sweep(directory, Date.now() - olderThanMs, stopping)),
    close: async () => {},
  }
}

async function write(path: string, bytes: ObjectBody): Promise<void> {
  const source = 'stream' in bytes ? exactly(bytes) : null
  try {
    await writeWhole(path, async (file, temporary) => {
      if ('file' in bytes) await copy(bytes, temporary, file)
      else await file.writeFile(source ? source.chunks() : (bytes as Uint8Array))
    })
  } catch (cause) {
    if ('stream' in bytes) bytes.stream.destroy()
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

async function openFile(path: string, range?: ByteRange) {
  const file = await open(path, 'r').catch(absent)
  if (!file) return null
  try {
    const { size } = await file.stat()
    return { stream: createReadStream(path, { ...range, fd: file, highWaterMark: CHUNK_BYTES }), size }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function* list(directory: string): AsyncGenerator<Listed> {
  for (const folder of (await guarded('list', () => readdir(directory).catch(absent))) ?? []) {
    for (const name of await guarded('list', () => readdir(join(directory, folder)).catch(noFolder))) {
      if (!isObjectName(name) || name.slice(0, 2) !== folder) continue
      const found = await guarded('list', () => stat(join(directory, folder, name)).catch(absent))
      if (found?.isFile()) yield { name, size: found.size, modifiedAt: found.mtime }
    }
  }
}

async function sweep(directory: string, before: number, stopping?: AbortSignal): Promise<number> {
  let swept = 0
  for (const folder of (await readdir(directory).catch(absent)) ?? []) {
    if (stopping?.aborted) break
    swept += await sweepTemporary(join(directory, folder), before)
  }
  return swept
}
