import type { Mine } from '../work/mine.ts'
import { listAllTags, listFoldersWithCovers } from './folder-queries.ts'

export const mine: Mine = {
  tables: {
    files: null,
    pictures: null,
    folders: null,
    tags: null,
    library_changes: 'kept for a day, to be undone',
    library_changed: 'kept for a day, to be undone',
  },
  async *papers({ db }, userId) {
    const folders = await listFoldersWithCovers(db, userId)
    const plain = folders
      .filter(({ query }) => query === null)
      .map(({ name, count, cover }) => ({ name, count, cover }))
    const smart = folders.filter(({ query }) => query !== null).map(({ name, query }) => ({ name, search: query }))
    const tags = (await listAllTags(db, userId)).map(({ name }) => name)
    yield { name: 'library.json', content: { folders: plain, smartFolders: smart, tags } }
  },
}
