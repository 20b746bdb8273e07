import { hasHidden, hiddenAmong } from '../gallery/moderation-queries.ts'
import { insertMovedExhibit, insertMovedLike } from '../gallery/moved-queries.ts'
import { findExhibitor, upsertExhibitor } from '../gallery/queries.ts'
import { listFiles } from '../library/file-queries.ts'
import { findByFile } from '../library/import-queries.ts'
import { cleanName } from '../library/names.ts'
import { makeThumbnail } from '../library/unseen.ts'
import { bareChecksum } from '../library/uploads.ts'
import { expectUser } from '../session/queries.ts'
import { Refusal } from '../web/errors.ts'
import { takeAssets } from './assets.ts'
import { filePictures, type MoveDeps, NotTaken } from './pictures.ts'
import type { Report } from './report.ts'
import type { Source, SourceAsset, SourceExhibit } from './source.ts'
import { listLikes } from './source-queries.ts'

const LONGEST_NAME = 40

/** Hangs what somebody showed there in the gallery here, with who liked it. Safe to repeat. Throws `NotTaken`. */
export async function takeExhibit(
  deps: MoveDeps,
  source: Source,
  item: SourceExhibit,
  asset: SourceAsset | undefined,
  report: Report,
): Promise<void> {
  const { id, sharedByUserId: userId, prompt, size, createdAt } = item
  if (!asset) throw new NotTaken(item.assetToken ? 'its file has no row' : 'lies elsewhere')
  if (asset.userId !== userId) throw new NotTaken('shows a file of somebody else')
  const token = (await takeAssets(deps, source, [asset])).get(asset.publicToken)!
  if (token instanceof NotTaken) throw token
  await filePictures(deps, userId, [{ id, token, said: { prompt, size, createdAt } }])
  const picture = await findByFile(deps.db, userId, token)
  const [unseen] = await listFiles(deps.db, userId, [token])
  if (!picture || picture.deletedAt || !unseen) throw new NotTaken('is in the trash')
  // Whoever comes by sees it, and its colour before it.
  await makeThumbnail(deps, unseen).catch(error => {
    throw error instanceof Refusal ? new NotTaken('the bytes are missing') : error
  })
  const [file = unseen] = await listFiles(deps.db, userId, [token])
  const bare = (await hasHidden(deps.db)) ? await bareChecksum(deps, token) : null
  const isNew = await deps.db.transaction(async tx => {
    if ((await hiddenAmong(tx, [file.sha256, ...(bare ? [bare] : [])])).size > 0) throw new NotTaken('was hidden here')
    if (!(await findExhibitor(tx, userId))) await upsertExhibitor(tx, userId, nameOf(item), null)
    const { width, height, hasAlpha, color, sha256 } = file
    const shown = { width, height, hasAlpha, color, sha256, prompt: prompt || null, settings: null, isListed: true }
    return insertMovedExhibit(tx, { id, userId, pictureId: picture.id, token, createdAt, ...shown })
  })
  report[isNew ? 'taken' : 'there']('exhibits')
  for (const like of await listLikes(source.db, id)) {
    if (!(await expectUser(deps.db, like.userId))) report.left('likes', 'of somebody who leaves', id)
    else report[(await insertMovedLike(deps.db, id, like)) ? 'taken' : 'there']('likes')
  }
}

/** Never an address that somebody signs in with. */
function nameOf({ sharedByName, sharedByUserId }: SourceExhibit): string {
  const name = cleanName(sharedByName).slice(0, LONGEST_NAME).toWellFormed()
  return name && !name.includes('@') ? name : `#${sharedByUserId}`
}
