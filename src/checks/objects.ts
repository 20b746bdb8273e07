import path from 'node:path'
import { listSnapshotKeys } from '../chat/conversation-queries.ts'
import type { Db } from '../db/db.ts'
import { listPapers } from '../exports/queries.ts'
import { listUnfiled } from '../images/claim-queries.ts'
import { listObjects } from '../imports/queries.ts'
import { originalName, thumbnailName } from '../library/keep.ts'
import { listFileObjects, listNamedObjects } from '../library/object-queries.ts'
import type { Listed, Storage } from '../storage/storage.ts'
import { writeWhole } from '../storage/whole-files.ts'

export interface Objects {
  /** How many lie in the store under names that may be ours. */
  count: number
  /** Named by rows, and not there: pictures whose bytes are lost, and thumbnails that can be made anew. */
  missing: string[]
  missingThumbnails: string[]
  /** There, old enough, and named by no row. */
  orphaned: Listed[]
}

const AT_ONCE = 5000
/** Names that this program gives: what another has in the same place is none of our business. */
const isOurs = (name: string) => /^([\w-]{32}(\.(thumb|original|paper|import))?|[0-9a-f]{64}\.conversation)$/.test(name)
const baseOf = (name: string) => name.split('.', 1)[0]!

/**
 * Compares the store with the rows that name what is in it. What is younger than `leastAgeMs` is no orphan: it may be
 * about to be filed.
 */
export async function compareObjects(
  { db, storage }: { db: Db; storage: Storage },
  leastAgeMs: number,
): Promise<Objects> {
  const there = new Map<string, Listed>()
  for await (const object of storage.list()) if (isOurs(object.name)) there.set(object.name, object)

  const named = new Set<string>()
  const missing: string[] = []
  const missingThumbnails: string[] = []
  // After the store: what is filed meanwhile has its row, and what goes meanwhile is looked for again.
  for (let after = ''; ; ) {
    const files = await listFileObjects(db, { after, limit: AT_ONCE })
    for (const { token, format, originalFormat } of files) {
      named.add(token)
      const isNew = !there.has(token) && (await storage.head(token)) !== null
      if (isNew) continue
      if (!there.has(token)) missing.push(token)
      else if (format !== 'bin' && !there.has(thumbnailName(token))) missingThumbnails.push(token)
      if (originalFormat !== null && !there.has(originalName(token))) missing.push(originalName(token))
    }
    if (files.length < AT_ONCE) break
    after = files.at(-1)!.token
  }
  const others = [listNamedObjects(db), listSnapshotKeys(db), listPapers(db), listObjects(db), listUnfiled(db)]
  for (const names of await Promise.all(others)) for (const name of names) named.add(baseOf(name))
  const before = Date.now() - leastAgeMs
  const orphaned = [...there.values()].filter(
    ({ name, modifiedAt }) => !named.has(baseOf(name)) && modifiedAt.getTime() < before,
  )
  return { count: there.size, missing, missingThumbnails, orphaned }
}

/** Moves objects out of the store into a folder of this machine, each whole there before it goes here. */
export async function moveAside(storage: Storage, names: readonly string[], folder: string): Promise<void> {
  for (const name of names) {
    const bytes = await storage.read(name)
    if (!bytes) continue
    await writeWhole(path.join(folder, name), file => file.writeFile(bytes))
    await storage.delete(name)
  }
}
