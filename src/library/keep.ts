import { createHash, randomBytes } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { type Digest, digest } from '../storage/thumbnails.ts'
import * as queries from './queries.ts'

/** A new name for picture bytes: 192 random bits, base64url. */
export function newToken(): string {
  return randomBytes(24).toString('base64url')
}

export function isToken(text: string): boolean {
  return /^[\w-]{32}$/.test(text)
}

export function thumbnailName(token: string): string {
  return `${token}.thumb`
}

/**
 * Stores the bytes of a picture, as they came, under `token`, with a thumbnail. Throws `NotAPicture` before anything is
 * stored, and `StorageError`. Safe to repeat.
 */
export async function storePicture(
  deps: Pick<Deps, 'storage'>,
  token: string,
  bytes: Buffer,
): Promise<{ digest: Digest; sha256: Buffer; bytes: number }> {
  const facts = await digest(bytes)
  await Promise.all([
    deps.storage.put(token, bytes, { contentType: `image/${facts.format}` }),
    deps.storage.put(thumbnailName(token), facts.thumbnail, { contentType: 'image/webp' }),
  ])
  return { digest: facts, sha256: createHash('sha256').update(bytes).digest(), bytes: bytes.length }
}

/**
 * Files a stored picture in its owner's library, in one transaction. Bytes that they have already are kept once.
 * Safe to repeat.
 */
export async function filePicture(
  deps: Pick<Deps, 'db' | 'storage'>,
  stored: Awaited<ReturnType<typeof storePicture>>,
  picture: queries.NewPicture,
): Promise<void> {
  const { format, width, height, hasAlpha, color } = stored.digest
  const kept = await deps.db.transaction(async tx => {
    const file = await queries.insertFile(tx, {
      token: picture.token,
      userId: picture.userId,
      sha256: stored.sha256,
      bytes: stored.bytes,
      format,
      width,
      height,
      hasAlpha,
      color,
    })
    await queries.insertPicture(tx, { ...picture, token: file.token })
    return file.token
  })
  if (kept !== picture.token) await deleteBytes(deps, picture.token)
}

/** Deletes for good what has been in the trash for `days`; answers how many files went. Throws `StorageError`. */
export async function emptyTrash(deps: Pick<Deps, 'db' | 'storage'>, days: number): Promise<number> {
  await queries.deleteTrashed(deps.db, days)
  let deleted = 0
  for (const token of await queries.listUnusedFiles(deps.db)) {
    // Row and bytes together: while the storage fails the row stays, or nobody would know of the bytes any more.
    await deps.db.transaction(async tx => {
      if (!(await queries.deleteUnusedFile(tx, token))) return
      await deleteBytes(deps, token)
      deleted++
    })
  }
  return deleted
}

export async function deleteBytes(deps: Pick<Deps, 'storage'>, token: string): Promise<void> {
  await Promise.all([deps.storage.delete(token), deps.storage.delete(thumbnailName(token))])
}
