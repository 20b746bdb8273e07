import pLimit from 'p-limit'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { listFiles } from '../library/file-queries.ts'
import { holdPictures, listShowable, type Picture } from '../library/queries.ts'
import { bareChecksum } from '../library/uploads.ts'
import { refuseInMaintenance } from '../operators/maintenance.ts'
import type { Key } from '../web/i18n.ts'
import { characters, isVisible } from '../web/text.ts'
import { queueShare, type Terms } from './long-share-queries.ts'
import { hasHidden, hiddenAmong } from './moderation-queries.ts'
import { findExhibitor, type Hung, insertExhibits, upsertExhibitor } from './queries.ts'
import type { ShareForm } from './view.ts'

/** While somebody waits for the page; more are left to the workers. */
export const AT_ONCE = 200
export const LONGEST_NAME = 40
/** Days that a link may last. */
export const lifetimes: Record<string, number | null> = { day: 1, week: 7, month: 30, never: null }

interface Who {
  userId: number
  email: string
}

/** Why nothing is shown, and which field of the form says it. */
export interface Problem {
  field: keyof ShareForm['errors']
  key: Key
  params?: Record<string, unknown>
}

/**
 * Shows pictures to everybody, or to whoever has the link, as far as their author said: ids of the exhibits. Nothing is
 * shown where something is wrong.
 */
export async function share(
  deps: Pick<Deps, 'db' | 'config' | 'storage' | 'log'>,
  who: Who,
  ids: readonly string[],
  values: ShareForm['values'],
): Promise<{ ids: string[] } | Problem> {
  if (ids.length === 0) return { field: 'form', key: 'gallery.share.nothing' }
  const exhibitor = await asExhibitor(deps, who, values)
  if ('field' in exhibitor) return exhibitor
  const bare = await bareOf(deps, who.userId, ids)
  return deps.db.transaction(async tx => {
    const { files, hidden } = await hangable(tx, who.userId, ids, bare)
    if (hidden > 0) return { field: 'form', key: 'gallery.share.banned', params: { count: hidden } } as const
    await upsertExhibitor(tx, who.userId, exhibitor.name, exhibitor.licence)
    const hung = await hangAll(tx, files, termsOf(values))
    return { ids: hung.map(({ id }) => id) }
  })
}

/** The same for very many, which were asked about as one: workers show them part by part. Null where that was answered before. Throws `Refusal` 503 in maintenance. */
export async function shareLong(
  deps: Pick<Deps, 'db' | 'config'>,
  who: Who,
  id: string,
  values: ShareForm['values'],
): Promise<{ id: string } | Problem | null> {
  const exhibitor = await asExhibitor(deps, who, values)
  if ('field' in exhibitor) return exhibitor
  return deps.db.transaction(async tx => {
    await refuseInMaintenance(tx)
    await upsertExhibitor(tx, who.userId, exhibitor.name, exhibitor.licence)
    return (await queueShare(tx, who.userId, id, termsOf(values))) ? { id } : null
  })
}

/** As who they want to be seen; `licence`: what they agree to with it, where there is anything that they have not agreed to yet. */
async function asExhibitor(
  deps: Pick<Deps, 'db' | 'config'>,
  { userId, email }: Who,
  { name, agreed }: ShareForm['values'],
): Promise<{ name: string; licence: string | null } | Problem> {
  const { licence } = deps.config.gallery
  const known = await findExhibitor(deps.db, userId)
  const isNew = licence !== null && known?.licence !== licence
  const refused = refuseName(name, email)
  if (refused) return refused
  if (isNew && !agreed) return { field: 'licence', key: 'gallery.share.licence_missing' }
  return { name, licence: isNew ? licence : null }
}

function termsOf({ where, prompt, settings, ends }: ShareForm['values']): Terms {
  const days = where === 'link' ? (lifetimes[ends] ?? null) : null
  return { isListed: where === 'gallery', withPrompt: prompt, withSettings: settings, days }
}

/** A picture that may be shown, and the checksum of its bytes; `bare`: without what the file carries beside it, where that is known. */
interface File {
  picture: Picture
  sha256: Buffer
  bare: Buffer | null
}

/** Those of these pictures that may be shown, held until the end of the transaction; `hidden`: how many operators have hidden. */
export async function hangable(
  tx: Db,
  userId: number,
  ids: readonly string[],
  bare: ReadonlyMap<string, Buffer>,
): Promise<{ files: File[]; hidden: number }> {
  await holdPictures(tx, userId, ids)
  const pictures = await listShowable(tx, userId, ids)
  const tokens = pictures.map(({ token }) => token)
  const sums = new Map((await listFiles(tx, userId, tokens)).map(({ token, sha256 }) => [token, sha256]))
  const hidden = await hiddenAmong(tx, [...sums.values(), ...bare.values()])
  const isHidden = (sum: Buffer | null) => sum !== null && hidden.has(sum.toString('hex'))
  const files = pictures.map(picture => {
    const sha256 = sums.get(picture.token)!
    return { picture, sha256, bare: picture.origin === 'uploaded' ? sha256 : (bare.get(picture.token) ?? null) }
  })
  const shown = files.filter(file => !isHidden(file.sha256) && !isHidden(file.bare))
  return { files: shown, hidden: files.length - shown.length }
}

/** What hangs now, in the order of the files. */
export async function hangAll(tx: Db, files: readonly File[], terms: Terms): Promise<Hung[]> {
  const { isListed, days } = terms
  const exhibits = files.map(({ picture, sha256, bare }) => {
    const { id, userId, token, prompt, model, requestedSize, quality, width, height, hasAlpha, color } = picture
    const settings = terms.withSettings && model ? { model, size: requestedSize, quality } : null
    const shown = { prompt: (terms.withPrompt && prompt) || null, settings }
    return { userId, pictureId: id, token, sha256, bare, isListed, days, width, height, hasAlpha, color, ...shown }
  })
  const hung = new Map((await insertExhibits(tx, exhibits)).map(each => [each.pictureId, each]))
  return files.map(({ picture }) => hung.get(picture.id)!)
}

/**
 * Checksums by token, where anything is hidden at all: a picture as it came, whose bytes others have brought without what files carry
 * beside them, is the same.
 */
export async function bareOf(
  deps: Pick<Deps, 'db' | 'storage' | 'log'>,
  userId: number,
  ids: readonly string[],
): Promise<Map<string, Buffer>> {
  const known = new Map<string, Buffer>()
  if (!(await hasHidden(deps.db))) return known
  const limit = pLimit(2)
  const asTheyCame = (await listShowable(deps.db, userId, ids)).filter(({ origin }) => origin !== 'uploaded')
  const learn = async ({ token }: Picture) => {
    const bare = await bareChecksum(deps, token)
    if (bare) known.set(token, bare)
  }
  await Promise.all(asTheyCame.map(picture => limit(() => learn(picture))))
  return known
}

/** A name is what everybody may read: never the address that somebody signs in with. */
function refuseName(name: string, email: string): Problem | null {
  const count = characters(name)
  if (!isVisible(name)) return { field: 'name', key: 'gallery.share.name_missing' }
  if (count > LONGEST_NAME) return { field: 'name', key: 'errors.too_long', params: { count, limit: LONGEST_NAME } }
  if (name.toLowerCase().includes(email.toLowerCase())) return { field: 'name', key: 'gallery.share.name_is_email' }
  return null
}
