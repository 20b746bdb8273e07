import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import { listSnapshotKeys } from '../chat/conversation-queries.ts'
import type { Db } from '../db/db.ts'
import { objectTypeOf } from '../library/formats.ts'
import { type FileObject, listFileObjects } from '../library/object-queries.ts'
import type { Listed, Storage } from '../storage/storage.ts'
import type { Copied, Ledger } from './copied.ts'

interface Way {
  db: Db
  /** The folder of this machine; nothing of it is changed or deleted. */
  from: Storage
  to: Storage
  ledger: Ledger
  /** How far it is: so many of so many. */
  progress(what: string, done: number, total: number): void
}

export interface Wanted {
  /** Only what is this person's: null, everybody's. */
  userId: number | null
  /** No more objects than so many are copied. */
  limit: number
  concurrency: number
  /** What is another in the bucket is written over, and what was found to be the same is compared again. */
  force: boolean
  dryRun: boolean
}

export interface Arrived {
  /** Were there, the same. */
  there: number
  copied: number
  bytes: number
  /** Left for another time by the limit. */
  left: number
  /** Each with what is wrong: nothing of these can be relied on in the bucket. */
  failed: { name: string; why: string }[]
}

/**
 * Copies the objects of a folder to a bucket. Each is read back from there and compared, length and hash, before it counts
 * as copied; of pictures, also with the hash that their rows have. Stopped at any time, it goes on where it was.
 */
export async function copyToBucket(way: Way, wanted: Wanted): Promise<Arrived> {
  const files = await filesOf(way.db, wanted.userId)
  const snapshots = wanted.userId === null ? null : new Set(await listSnapshotKeys(way.db, wanted.userId))
  const objects: Listed[] = []
  for await (const object of way.from.list()) {
    const base = baseOf(object.name)
    if (!snapshots || files.has(base) || snapshots.has(base)) objects.push(object)
  }

  const arrived: Arrived = { there: 0, copied: 0, bytes: 0, left: 0, failed: [] }
  const at = pLimit(wanted.concurrency)
  let begun = 0
  let done = 0
  await at.map(objects, async object => {
    const file = files.get(baseOf(object.name))
    try {
      const outcome = await bring(way, wanted, object, file, () => begun++ < wanted.limit)
      arrived[outcome]++
      if (outcome === 'copied') arrived.bytes += object.size
    } catch (error) {
      arrived.failed.push({ name: object.name, why: whyOf(error) })
    }
    way.progress('objects', ++done, objects.length)
  })
  return arrived
}

async function bring(
  { from, to, ledger }: Way,
  { force, dryRun }: Wanted,
  object: Listed,
  file: FileObject | undefined,
  mayCopy: () => boolean,
): Promise<'there' | 'copied' | 'left'> {
  const { name, size } = object
  const modifiedAt = Math.floor(object.modifiedAt.getTime())
  const noted = ledger.find(name)
  const found = await to.head(name)
  if (!force && found?.size === size && noted?.size === size && noted.modifiedAt === modifiedAt) return 'there'

  const sha256 = await hashOf(from, name)
  // Deleted meanwhile, as its owner wished.
  if (sha256 === null) return 'there'
  if (file && name === file.token && file.sha256.toString('hex') !== sha256)
    throw new Unsound('is not what its row says: it is damaged here')
  const own: Copied = { size, modifiedAt, sha256 }
  if (found) {
    const there = found.size === size || noted ? await hashOf(to, name) : null
    if (there === sha256) {
      if (!dryRun) await ledger.note(name, own)
      return 'there'
    }
    // Conversations are written again under their names: ours may be the newer one, or the one of the bucket.
    if (!force && (!noted || there !== noted.sha256))
      throw new Unsound('is another in the bucket: --force writes over it')
  }
  if (!mayCopy()) return 'left'
  if (dryRun) return 'copied'

  const source = await from.open(name)
  if (!source) return 'there'
  await to.put(name, source, { contentType: objectTypeOf(name, formatOf(name, file)) })
  if ((await hashOf(to, name)) !== sha256) throw new Unsound('came back from the bucket as another')
  await ledger.note(name, own)
  return 'copied'
}

/** What is wrong with one object, in words. */
class Unsound extends Error {}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

async function hashOf(storage: Storage, name: string): Promise<string | null> {
  const hash = createHash('sha256')
  const size = await storage.take(name, piece => void hash.update(piece))
  return size === null ? null : hash.digest('hex')
}

async function filesOf(db: Db, userId: number | null): Promise<Map<string, FileObject>> {
  const files = new Map<string, FileObject>()
  for (let after = ''; ; ) {
    const some = await listFileObjects(db, { after, limit: AT_ONCE, userId })
    for (const file of some) files.set(file.token, file)
    if (some.length < AT_ONCE) return files
    after = some.at(-1)!.token
  }
}

const AT_ONCE = 5000
const formatOf = (name: string, file: FileObject | undefined) =>
  (name.endsWith('.original') ? file?.originalFormat : file?.format) ?? null
const baseOf = (name: string) => name.split('.', 1)[0]!
