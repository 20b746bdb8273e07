import type { Db } from '../db/db.ts'
import { Refusal } from '../web/errors.ts'
import { findFolderNamed, insertFolder } from './folder-queries.ts'
import { cleanName, cleanTags, isTooLong, LONGEST_FOLDER, LONGEST_TAG, MOST_TAGS } from './names.ts'

/** Made where there is none of this name; null without a name. */
export async function folderCalled(db: Db, userId: number, typed: string): Promise<string | null> {
  const name = folderName(typed)
  if (name === null) return null
  const folder = (await findFolderNamed(db, userId, name)) ?? (await insertFolder(db, userId, name, null))
  const found = folder ?? (await findFolderNamed(db, userId, name))
  if (found?.query !== null) throw new Refusal(409, 'library.folders.is_smart', { name })
  return found.id
}

/** Throws `Refusal` 422 for tags that are too long, or more than a picture may have. */
export function tagNames(typed: string): string[] {
  const names = cleanTags([typed])
  const long = names.find(name => isTooLong(name, LONGEST_TAG))
  if (long) throw new Refusal(422, 'library.tags.too_long', { tag: long, limit: LONGEST_TAG })
  if (names.length > MOST_TAGS) throw new Refusal(422, 'library.tags.too_many', { limit: MOST_TAGS })
  return names
}

/** Null where there is nothing to be seen in it. Throws `Refusal` 422 for one that is too long. */
export function folderName(typed: string): string | null {
  const name = cleanName(typed)
  if (isTooLong(name, LONGEST_FOLDER)) throw new Refusal(422, 'library.folders.too_long', { limit: LONGEST_FOLDER })
  return name || null
}
