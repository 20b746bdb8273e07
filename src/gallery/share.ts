import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import { listFiles } from '../library/file-queries.ts'
import { listPicturesById, type Picture } from '../library/queries.ts'
import { checksumsAlike } from '../library/uploads.ts'
import type { Key } from '../web/i18n.ts'
import { characters, isVisible } from '../web/text.ts'
import { countHidden, hasHidden } from './moderation-queries.ts'
import { findExhibitor, insertExhibit, upsertExhibitor } from './queries.ts'
import type { ShareForm } from './view.ts'

/** At once: each is asked for by its author, who has to know what they show. */
export const MOST_PICTURES = 1000
export const LONGEST_NAME = 40
/** Days that a link may last. */
export const lifetimes: Record<string, number | null> = { day: 1, week: 7, month: 30, never: null }

interface Problem {
  field: keyof ShareForm['errors']
  key: Key
  params?: Record<string, unknown>
}

/** Those of these pictures that somebody may show: their own, not in the trash, whole. */
export async function showable(deps: Pick<Deps, 'db'>, userId: number, ids: readonly string[]): Promise<Picture[]> {
  const pictures = await listPicturesById(deps.db, userId, ids)
  return pictures.filter(({ condition, format }) => condition === 'whole' && format !== 'bin')
}

/**
 * Shows pictures to everybody, or to whoever has the link, as far as their author said: ids of the exhibits. Nothing is
 * shown where something is wrong.
 */
export async function share(
  deps: Pick<Deps, 'db' | 'config' | 'storage' | 'log'>,
  who: { userId: number; email: string },
  pictures: readonly Picture[],
  values: ShareForm['values'],
): Promise<{ ids: string[] } | Problem> {
  const { licence } = deps.config.gallery
  const known = await findExhibitor(deps.db, who.userId)
  const isNew = licence !== null && known?.licence !== licence
  const problem =
    refuseName(values.name, who.email) ??
    (isNew && !values.agreed ? ({ field: 'licence', key: 'gallery.share.licence_missing' } as const) : null) ??
    (pictures.length === 0 ? ({ field: 'form', key: 'gallery.share.nothing' } as const) : null)
  if (problem) return problem
  const tokens = pictures.map(({ token }) => token)
  const files = new Map((await listFiles(deps.db, who.userId, tokens)).map(({ token, sha256 }) => [token, sha256]))
  const alike = (await hasHidden(deps.db)) ? await checksumsOfCopies(deps, pictures) : []
  return deps.db.transaction(async tx => {
    const hidden = await countHidden(tx, [...files.values()], alike)
    if (hidden > 0) return { field: 'form', key: 'gallery.share.banned', params: { count: hidden } } as const
    await upsertExhibitor(tx, who.userId, values.name, isNew ? licence : null)
    const made: string[] = []
    for (const picture of pictures) {
      made.push(
        await insertExhibit(tx, {
          userId: who.userId,
          pictureId: picture.id,
          token: picture.token,
          sha256: files.get(picture.token)!,
          isListed: values.where === 'gallery',
          prompt: values.prompt && picture.prompt ? picture.prompt : null,
          settings:
            values.settings && picture.model
              ? { model: picture.model, size: picture.requestedSize, quality: picture.quality }
              : null,
          width: picture.width,
          height: picture.height,
          hasAlpha: picture.hasAlpha,
          color: picture.color,
          days: values.where === 'link' ? (lifetimes[values.ends] ?? null) : null,
        }),
      )
    }
    return { ids: made }
  })
}

/** A picture as it came, whose bytes others have brought without what files carry beside them, is the same. */
async function checksumsOfCopies(deps: Pick<Deps, 'storage' | 'log'>, pictures: readonly Picture[]): Promise<Buffer[]> {
  const limit = pLimit(2)
  const asTheyCame = pictures.filter(({ origin }) => origin !== 'uploaded')
  const sums = await Promise.all(asTheyCame.map(({ token }) => limit(() => checksumsAlike(deps, token))))
  return sums.flat()
}

/** A name is what everybody may read: never the address that somebody signs in with. */
function refuseName(name: string, email: string): Problem | null {
  const count = characters(name)
  if (!isVisible(name)) return { field: 'name', key: 'gallery.share.name_missing' }
  if (count > LONGEST_NAME) return { field: 'name', key: 'errors.too_long', params: { count, limit: LONGEST_NAME } }
  if (name.toLowerCase().includes(email.toLowerCase())) return { field: 'name', key: 'gallery.share.name_is_email' }
  return null
}
