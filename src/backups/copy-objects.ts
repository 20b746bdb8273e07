import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Db } from '../db/db.ts'
import { hashesOf } from '../library/object-queries.ts'
import type { Storage } from '../storage/storage.ts'
import { flushFolder, writeWhole } from '../storage/whole-files.ts'
import { type Copying, linked } from './copy-files.ts'
import { inParallel } from './in-parallel.ts'
import { type Backup, hashOf, OBJECTS, type Sums } from './manifest.ts'

/** Where an object lies in a backup, as in a data directory. */
const fileOf = (name: string) => `assets/${name.slice(0, 2)}/${name}`
/** The object that lies there; null when it is none. */
export const objectOf = (file: string): string | null => (file.startsWith('assets/') ? path.posix.basename(file) : null)

/** Copies the objects of a bucket that the backup does not have yet; those that the one before has are linked. */
export async function copyObjects(
  storage: Storage,
  target: string,
  { sums, before, progress }: Copying,
): Promise<void> {
  const wanted: { name: string; size: number }[] = []
  for await (const { name, size } of storage.list()) if (!sums.has(fileOf(name))) wanted.push({ name, size })
  const folders = new Set(wanted.map(({ name }) => path.dirname(path.join(target, fileOf(name)))))
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 })
  let done = 0
  await inParallel(wanted, async ({ name, size }) => {
    const file = fileOf(name)
    const sum = (await linked(target, file, size, before)) ?? (await fetched(storage, name, path.join(target, file)))
    if (sum) sums.set(file, sum)
    progress('objects', ++done, wanted.length)
  })
  for (const folder of folders) await flushFolder(folder)
}

/** The hash of what came; null when it was deleted meanwhile. */
async function fetched(storage: Storage, name: string, to: string): Promise<string | null> {
  const object = await storage.open(name)
  if (!object) return null
  const hash = createHash('sha256')
  const hashed = new PassThrough().on('data', chunk => hash.update(chunk))
  await pipeline(object.stream, hashed, createWriteStream(to, { mode: 0o600, flush: true }))
  return hash.digest('hex')
}

/** Writes down what lies in the bucket, for `listMissing`; the hashes are those that rows have of pictures. */
export async function listObjects(
  storage: Storage,
  tx: Db,
  target: string,
  sums: Sums,
): Promise<{ count: number; bytes: number }> {
  const hashes = await hashesOf(tx)
  let count = 0
  let bytes = 0
  const list = path.join(target, OBJECTS)
  await writeWhole(list, async file => {
    for await (const { name, size } of storage.list()) {
      await file.write(`${size} ${hashes.get(name)?.toString('hex') ?? '-'} ${name}\n`)
      count++
      bytes += size
    }
  })
  sums.set(OBJECTS, await hashOf(list))
  return { count, bytes }
}

/** Of those that lay in the bucket when the backup was made, the ones that are not there now as they were; their lengths are compared. */
export async function listMissing(storage: Storage, { folder, sums }: Backup): Promise<string[]> {
  if (!sums.has(OBJECTS)) return []
  const wanted: [name: string, size: number][] = []
  for await (const line of createInterface(createReadStream(path.join(folder, OBJECTS)))) {
    const [, size, name] = /^(\d+) \S+ (\S+)$/.exec(line) ?? []
    if (name) wanted.push([name, Number(size)])
  }
  const missing: string[] = []
  await inParallel(wanted, async ([name, size]) => {
    const found = await storage.head(name)
    // Conversations are written anew.
    if (!found || (found.size !== size && !name.endsWith('.conversation'))) missing.push(name)
  })
  return missing.sort()
}
