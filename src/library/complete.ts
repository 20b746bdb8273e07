import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import type { Db } from '../db/db.ts'
import { digest } from '../pixels/digest.ts'
import type { Storage } from '../storage/storage.ts'
import { thumbnailName } from './keep.ts'
import { type FileRow, listFileRows, replaceFacts } from './object-queries.ts'

interface Completing {
  db: Db
  storage: Storage
  /** Longest side of a thumbnail, in pixels. */
  edge: number
  progress(what: string, done: number, total: number): void
}

interface Wanted {
  userId: number | null
  /** Bytes are read and decoded of all, not only of those whose thumbnail is missing. */
  all: boolean
  limit: number
  dryRun: boolean
}

export interface Completed {
  looked: number
  thumbnails: number
  /** Rows whose size, colour or transparency was not that of the picture. */
  facts: number
  /** Left for another time by the limit. */
  left: number
  /** What cannot be completed, each with why; nothing of it was changed. */
  failed: { name: string; why: string }[]
}

const AT_ONCE = 1000
const AT_A_TIME = 8

/**
 * Completes what belongs to a picture and can be made from its bytes: the thumbnail, and what its row says of it. A picture is
 * never changed; one whose bytes are gone, or are not those of its row, is only told. Safe to repeat and to stop.
 */
export async function completeLibrary(deps: Completing, wanted: Wanted): Promise<Completed> {
  const completed: Completed = { looked: 0, thumbnails: 0, facts: 0, left: 0, failed: [] }
  const files: FileRow[] = []
  for (let after = ''; ; after = files.at(-1)!.token) {
    const some = await listFileRows(deps.db, { after, limit: AT_ONCE, userId: wanted.userId })
    files.push(...some)
    if (some.length < AT_ONCE) break
  }
  // Nothing is drawn of what no decoder knows.
  const drawn = files.filter(({ format }) => format !== 'bin')
  let begun = 0
  await pLimit(AT_A_TIME).map(drawn, async file => {
    try {
      const isMissing = (await deps.storage.head(thumbnailName(file.token))) === null
      if ((isMissing || wanted.all) && begun++ >= wanted.limit) completed.left++
      else if (isMissing || wanted.all) await complete(deps, wanted, file, isMissing, completed)
    } catch (error) {
      completed.failed.push({ name: file.token, why: error instanceof Error ? error.message : String(error) })
    }
    deps.progress('pictures', ++completed.looked, drawn.length)
  })
  return completed
}

async function complete(
  { db, storage, edge }: Completing,
  { dryRun }: Wanted,
  file: FileRow,
  isMissing: boolean,
  completed: Completed,
): Promise<void> {
  const bytes = await storage.read(file.token)
  if (!bytes) throw new Error('its bytes are not there: bring them back from a backup')
  if (!createHash('sha256').update(bytes).digest().equals(file.sha256)) {
    throw new Error('its bytes are not those that its row knows: bring them back from a backup')
  }
  const { width, height, hasAlpha, color, thumbnail } = await digest(bytes, { edge })
  if (isMissing) {
    if (!dryRun) await storage.put(thumbnailName(file.token), thumbnail, { contentType: 'image/webp' })
    completed.thumbnails++
  }
  const isSo =
    file.width === width && file.height === height && file.hasAlpha === hasAlpha && file.bytes === bytes.length
  if (isSo && /^#[0-9a-f]{6}$/.test(file.color)) return
  if (!dryRun) await replaceFacts(db, file, { width, height, hasAlpha, color, bytes: bytes.length })
  completed.facts++
}
