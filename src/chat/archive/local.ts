import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Deps } from '../../deps.ts'
import { findFirstSignIn } from '../../session/queries.ts'
import { findConversation } from '../conversation-queries.ts'
import { tellChange } from './keep.ts'
import { Snapshot } from './snapshot.ts'

const AT_ONCE = 500
/** Longer than what was deleted can be brought back. */
const FORGOTTEN_MS = 31 * 86_400_000

/**
 * An earlier version left conversations on the disk of each worker, `conversations/<user id>/<conversation id>.json`: they
 * move to the store, a part at each call. True when there is nothing left to be done.
 */
export async function moveLocalSnapshots(deps: Pick<Deps, 'db' | 'jobs' | 'config' | 'log'>): Promise<boolean> {
  const root = path.join(deps.config.dataDirectory, 'conversations')
  let moved = 0
  let left = 0
  for (const folder of await namesIn(root)) {
    for (const name of await namesIn(path.join(root, folder))) {
      if (moved === AT_ONCE) return false
      if (await move(deps, Number(folder), path.join(root, folder, name))) moved++
      else left++
    }
    await rmdir(path.join(root, folder)).catch(() => undefined)
  }
  await rmdir(root).catch(() => undefined)
  if (left > 0) deps.log.warn({ left, folder: root }, 'files of conversations that are not in the database were left')
  return true
}

/** True when the file is gone: what it says is in the database, or was deleted there. */
async function move(deps: Pick<Deps, 'db' | 'jobs'>, userId: number, file: string): Promise<boolean> {
  const { name: id, ext } = path.parse(file)
  const isWhole = ext === '.json' && /^[0-9a-f-]{36}$/.test(id) && Number.isSafeInteger(userId)
  // The product before this one keeps files of its own under the same names, and may keep them here.
  if (isWhole && !(await isOurs(file))) return false
  const conversation = isWhole ? await findConversation(deps.db, userId, id) : null
  if (conversation) await tellChange(deps.db, conversation)
  else if (isWhole && !(await wasForgotten(deps, userId, file))) return false
  await rm(file, { force: true })
  return true
}

async function isOurs(file: string): Promise<boolean> {
  try {
    return Snapshot.pick({ format: true }).safeParse(JSON.parse(await readFile(file, 'utf8'))).success
  } catch {
    return false
  }
}

/**
 * Deleted for good, by another worker, who had no way to this disk. After a database that was lost, or was put back to an
 * earlier day, the file may be all that is left of a conversation: it stays.
 */
async function wasForgotten({ db }: Pick<Deps, 'db'>, userId: number, file: string): Promise<boolean> {
  const { birthtime, mtime } = await stat(file)
  const first = await findFirstSignIn(db, userId)
  const since = Math.min(birthtime.getTime(), mtime.getTime())
  return first !== null && first.getTime() < since && Date.now() - mtime.getTime() > FORGOTTEN_MS
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}
