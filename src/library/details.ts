import type { Db } from '../db/db.ts'
import { addressOf, readFilter } from './filter.ts'
import { findFolder, listTags } from './folder-queries.ts'
import { findImported } from './import-queries.ts'
import type { Picture } from './queries.ts'
import type { DetailsView } from './view.ts'

/** What is known of a picture, with its folder and tags by their names. */
export async function viewDetails(db: Db, picture: Picture): Promise<DetailsView> {
  const { userId, folderId, asked, returned, revisedPrompt, cost, format } = picture
  const [imported, folder, tags] = await Promise.all([
    findImported(db, userId, picture.id),
    folderId ? findFolder(db, userId, folderId) : null,
    picture.tags.length > 0 ? listTags(db, userId, picture.tags) : [],
  ])
  return {
    asked,
    returned,
    revisedPrompt,
    cost,
    imported,
    folder: folder && { ...folder, url: addressOf(readFilter({ folder: folder.id, kind: 'all' })) },
    tags: tags.map(({ key, name }) => ({ name, url: addressOf(readFilter({ tag: key })) })),
    formats: format === 'bin' ? [] : ['png', 'jpeg', 'webp'].filter(other => other !== format),
  }
}
