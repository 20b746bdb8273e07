import type { Deps } from '../deps.ts'
import { listFolders, listTags } from '../library/folder-queries.ts'
import { contentTypeOf } from '../library/formats.ts'
import type { Picture } from '../library/queries.ts'
import type { Relative } from '../library/relative-queries.ts'
import type { LibraryPicture } from './library-schemas.ts'

/** Pictures of one person as their scripts see them, in the same order. */
export async function viewPictures(
  deps: Pick<Deps, 'db' | 'config'>,
  userId: number,
  pictures: readonly Picture[],
): Promise<LibraryPicture[]> {
  if (pictures.length === 0) return []
  const keys = [...new Set(pictures.flatMap(({ tags }) => tags))]
  const [folders, tags] = await Promise.all([listFolders(deps.db, userId), listTags(deps.db, userId, keys)])
  const folderNames = new Map(folders.map(({ id, name }) => [id, name]))
  const tagNames = new Map(tags.map(({ key, name }) => [key, name]))
  return pictures.map(picture => {
    const { id, folderId, originalFormat } = picture
    const url = addressOf(deps, id)
    const folder = folderId === null ? undefined : folderNames.get(folderId)
    return {
      id,
      kind: picture.origin,
      prompt: picture.prompt,
      returned: picture.returned,
      revised_prompt: picture.revisedPrompt || null,
      model: picture.model,
      width: picture.width,
      height: picture.height,
      mime_type: contentTypeOf(picture.format),
      bytes: picture.bytes,
      condition: picture.condition,
      favourite: picture.favourite,
      folder: folder === undefined ? null : { id: folderId!, name: folder },
      tags: picture.tags.map(key => tagNames.get(key) ?? key),
      created_at: picture.createdAt.toISOString(),
      deleted_at: picture.deletedAt?.toISOString() ?? null,
      cost: picture.cost,
      asked: picture.asked,
      task_id: picture.jobId,
      asset_token: picture.token,
      image_url: `${url}/download`,
      thumbnail_url: `${url}/thumbnail`,
      original_url: originalFormat && `${url}/download?original=1`,
    }
  })
}

export function viewRelatives(deps: Pick<Deps, 'config'>, relatives: readonly Relative[]) {
  return relatives.map(({ id, depth, prompt }) => ({
    id,
    steps: depth,
    prompt,
    image_url: `${addressOf(deps, id)}/download`,
  }))
}

function addressOf({ config }: Pick<Deps, 'config'>, id: string): string {
  return `${config.publicOrigin ?? ''}/api/playground/ssh/library/${id}`
}
