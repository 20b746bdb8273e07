import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'

export const MANIFEST = 'manifest.json'
/** As `sha256sum` writes it, and checks it by hand; written last, so that what has none is no backup. */
export const SUMS = 'SHA256SUMS'
/** Folders of the data directory that are taken along. */
export const FOLDERS = ['assets', 'spill', 'conversations'] as const
/** Of these, what is not in a bucket where there is one. */
export const BESIDE = ['spill', 'conversations'] as const
/** What lies in the bucket, where that is not in the backup: a line each, with size, hash (`-`: not known) and name. */
export const OBJECTS = 'objects.txt'

const Manifest = z.object({
  format: z.literal(1, 'the backup is of a format that this version does not know'),
  madeAt: z.iso.datetime(),
  /** Of the server that it was made of. */
  postgres: z.string(),
  migrations: z.array(z.object({ name: z.string(), sha256: z.string() })),
  tables: z.array(z.object({ name: z.string().regex(/^\w+$/), columns: z.array(z.string()), rows: z.number() })),
  sequences: z.array(z.object({ name: z.string(), value: z.string() })),
  /** `bucket`: they lie there, and are no part of this backup. */
  objects: z.object({ place: z.enum(['here', 'bucket']), count: z.number(), bytes: z.number() }),
  /** Key ids of the secrets that sealed what is in it: without them sealed keys are lost. */
  secrets: z.array(z.string()),
  /** How many files it has, beside the sums. */
  files: z.number(),
})
/** What a backup says of itself. */
export type Manifest = z.output<typeof Manifest>

/** What the operator is told, and nothing else: no bug. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/** Tells how far something is: so many of so many. */
export type Progress = (what: string, done: number, total: number) => void

/** The hash of each file of a backup, by its path in it. */
export type Sums = Map<string, string>

export interface Backup {
  folder: string
  manifest: Manifest
  sums: Sums
}

export function dumpOf(table: string): string {
  return `database/${table}.copy.gz`
}

/** Reads what a finished backup says of itself. Throws `BackupError`. */
export async function readBackup(folder: string): Promise<Backup> {
  const text = await readFile(path.join(folder, SUMS), 'utf8').catch(() => null)
  if (text === null) throw new BackupError(`${folder} is no finished backup: it has no ${SUMS}`)
  const sums = parseSums(text)
  const told = await readFile(path.join(folder, MANIFEST)).catch(() => null)
  if (!told || createHash('sha256').update(told).digest('hex') !== sums.get(MANIFEST)) {
    throw new BackupError(`${MANIFEST} of the backup is missing or has been changed`)
  }
  const parsed = Manifest.safeParse(JSON.parse(told.toString('utf8')))
  if (!parsed.success) throw new BackupError(z.prettifyError(parsed.error))
  const manifest = parsed.data
  const missing = manifest.tables.find(({ name }) => !sums.has(dumpOf(name)))
  if (missing || sums.size !== manifest.files) {
    throw new BackupError(`${SUMS} of the backup names ${sums.size} files instead of ${manifest.files}: it was changed`)
  }
  return { folder, manifest, sums }
}

export function formatSums(sums: Sums): string {
  return [...sums].map(([name, sha256]) => `${sha256}  ${name}\n`).join('')
}

function parseSums(text: string): Sums {
  const sums: Sums = new Map()
  for (const line of text.split('\n').filter(Boolean)) {
    const [, sha256, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? []
    // Names are paths of a folder that anybody may have written into.
    if (!sha256 || !name || path.posix.normalize(name) !== name || !isOurs(name)) {
      throw new BackupError(`${SUMS} of the backup has a line that is not one: ${line.slice(0, 100)}`)
    }
    sums.set(name, sha256)
  }
  return sums
}

function isOurs(name: string): boolean {
  return name === MANIFEST || name === OBJECTS || ['database', ...FOLDERS].some(folder => name.startsWith(`${folder}/`))
}

export async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 256 * 1024 }), hash)
  return hash.digest('hex')
}
