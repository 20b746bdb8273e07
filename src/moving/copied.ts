import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { S3Config } from '../storage/storage.ts'
import { absent } from '../storage/whole-files.ts'

/** An object as it was when it was found to be the same in the bucket. */
export interface Copied {
  size: number
  modifiedAt: number
  sha256: string
}

/** What has been copied to a bucket and compared there, so that who was stopped need not look at it again. */
export interface Ledger {
  find(name: string): Copied | undefined
  note(name: string, copied: Copied): Promise<void>
  close(): Promise<void>
}

/** Opens the notes that are kept of this bucket in the data directory. Of half a line that a crash left nothing is believed. */
export async function openLedger(dataDirectory: string, bucket: S3Config, readOnly: boolean): Promise<Ledger> {
  const place = [bucket.endpoint, bucket.bucket, bucket.prefix].join('/')
  const file = path.join(dataDirectory, 'in-bucket', `${place.replaceAll(/[^A-Za-z0-9.-]+/g, '_')}.txt`)
  const known = await read(file)
  let writing: FileHandle | null = null
  if (!readOnly) {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
    writing = await open(file, 'a', 0o600)
    // Ends what was cut off, and is nothing otherwise.
    await writing.write('\n')
  }
  return {
    find: name => known.get(name),
    async note(name, copied) {
      known.set(name, copied)
      await writing?.write(`${copied.sha256} ${copied.size} ${copied.modifiedAt} ${name}\n`)
    },
    close: async () => writing?.close(),
  }
}

async function read(file: string): Promise<Map<string, Copied>> {
  const known = new Map<string, Copied>()
  const there = await open(file, 'r').catch(absent)
  await there?.close()
  if (!there) return known
  for await (const line of createInterface(createReadStream(file))) {
    const [, sha256, size, modifiedAt, name] = /^([0-9a-f]{64}) (\d+) (\d+) (\S+)$/.exec(line) ?? []
    if (name) known.set(name, { sha256: sha256!, size: Number(size), modifiedAt: Number(modifiedAt) })
  }
  return known
}
