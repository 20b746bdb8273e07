import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { ensureTags, findFolderNamed, insertFolder, listFolders } from '../library/folder-queries.ts'
import {
  findByFile,
  type ImportedPicture,
  insertImported,
  listTokensByHash,
  restoreByFile,
} from '../library/import-queries.ts'
import {
  cleanName,
  cleanTags,
  isTooLong,
  LONGEST_FOLDER,
  LONGEST_TAG,
  MOST_FOLDERS,
  MOST_TAGS,
} from '../library/names.ts'
import { storageLock } from '../library/storage-limit.ts'
import type { Said } from './manifest.ts'
import type { ImportEntry } from './queries.ts'

const FIRST_DAY = new Date('2000-01-01')

/**
 * Puts a file into its person's library as a picture, unless it is there: then what they have stays as it is, and comes
 * out of the trash if it lies there. Safe to repeat. `said`: null for an upload.
 */
export function fileImported(
  { db }: Pick<Deps, 'db'>,
  userId: number,
  token: string,
  said: Said | null,
): Promise<Pick<ImportEntry, 'outcome' | 'reason' | 'pictureId'>> {
  return db.transaction(async tx => {
    await storageLock.wait(tx, userId)
    const known = await findByFile(tx, userId, token)
    if (known && !known.deletedAt) return { outcome: 'skipped', reason: 'known', pictureId: known.id }
    if (known) {
      await restoreByFile(tx, userId, known.id)
      return { outcome: 'added', reason: 'restored', pictureId: known.id }
    }
    const picture = said ? await pictureOf(tx, userId, token, said) : uploadOf(userId, token)
    return { outcome: 'added', reason: null, pictureId: await insertImported(tx, picture) }
  })
}

async function pictureOf(tx: Db, userId: number, token: string, said: Said): Promise<ImportedPicture> {
  const { origin, condition, prompt, model, quality, favourite, asked, returned, receipts } = said
  const now = new Date()
  const createdAt = new Date(said.created_at)
  const sources = said.made_from.map(hash => Buffer.from(hash, 'hex'))
  return {
    userId,
    token,
    origin,
    // It can be shown, whatever it could be elsewhere.
    condition: condition === 'undecodable' ? 'incomplete' : condition,
    prompt,
    revisedPrompt: said.revised_prompt ?? '',
    model,
    requestedSize: said.requested_size,
    quality,
    favourite,
    createdAt: createdAt > now ? now : createdAt < FIRST_DAY ? FIRST_DAY : createdAt,
    changedOutside: said.changed_outside ?? null,
    derived: said.derived ?? null,
    asked: asked ?? null,
    returned,
    sourceTokens: sources.length > 0 ? await listTokensByHash(tx, userId, sources) : [],
    folderId: await folderNamed(tx, userId, said.folder ?? ''),
    tags: await tagsNamed(tx, userId, said.tags),
    imported: { at: now, cost: said.cost_usd ?? null, receipts },
  }
}

function uploadOf(userId: number, token: string): ImportedPicture {
  const now = new Date()
  return {
    userId,
    token,
    origin: 'uploaded',
    condition: 'whole',
    prompt: '',
    revisedPrompt: '',
    model: '',
    requestedSize: '',
    quality: '',
    favourite: false,
    createdAt: now,
    changedOutside: null,
    derived: null,
    asked: null,
    returned: {},
    sourceTokens: [],
    folderId: null,
    tags: [],
    imported: { at: now, cost: null, receipts: [] },
  }
}

/** Made where it is not there; null where there are too many, or a smart folder has that name. */
export async function folderNamed(tx: Db, userId: number, said: string): Promise<string | null> {
  const name = cleanName(said)
  if (!name || isTooLong(name, LONGEST_FOLDER)) return null
  const known = await findFolderNamed(tx, userId, name)
  if (known) return known.query === null ? known.id : null
  if ((await listFolders(tx, userId)).length >= MOST_FOLDERS) return null
  return (await insertFolder(tx, userId, name, null))?.id ?? null
}

/** Keys of the tags of these names, made where they are not there. */
export async function tagsNamed(tx: Db, userId: number, said: readonly string[]): Promise<string[]> {
  const names = cleanTags(said).filter(name => !isTooLong(name, LONGEST_TAG))
  return names.length > 0 ? ensureTags(tx, userId, names.slice(0, MOST_TAGS)) : []
}
