import { createHash, randomBytes } from 'node:crypto'
import type { Db } from '../db/db.ts'
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
  // One after the other: whoever finds what a crash left behind looks for the picture, never for a thumbnail alone.
  await deps.storage.put(token, bytes, { contentType: `image/${facts.format}` })
  await deps.storage.put(thumbnailName(token), facts.thumbnail, { contentType: 'image/webp' })
  return { digest: facts, sha256: createHash('sha256').update(bytes).digest(), bytes: bytes.length }
}

/**
 * Files a stored picture in its owner's library, in one transaction, and answers the token that it has there: bytes that
 * they have already are kept once. Safe to repeat for the pictures of a job.
 */
export async function filePicture(
  deps: Pick<Deps, 'storage' | 'log'> & { db: Db },
  stored: Stored,
  picture: queries.NewPicture,
): Promise<string> {
  const kept = await deps.db.transaction(async tx => {
    const file = await insertStored(tx, stored, picture)
    await queries.insertPicture(tx, { ...picture, token: file.token })
    return file.token
  })
  if (kept !== picture.token) await deleteSecondCopy(deps, picture.token)
  return kept
}

/** Files a picture that was pasted together from `result` and its original; answers its id. */
export async function fileComposed(
  deps: Pick<Deps, 'db' | 'storage' | 'log'>,
  stored: Stored,
  { result, token, original }: { result: queries.Picture; token: string; original: string },
): Promise<string> {
  const { id, kept } = await deps.db.transaction(async tx => {
    const file = await insertStored(tx, stored, { token, userId: result.userId })
    return { id: await queries.upsertComposed(tx, result, file.token, original), kept: file.token }
  })
  if (kept !== token) await deleteSecondCopy(deps, token)
  return id
}

type Stored = Awaited<ReturnType<typeof storePicture>>

function insertStored(tx: Db, stored: Stored, { token, userId }: { token: string; userId: number }) {
  const { format, width, height, hasAlpha, color } = stored.digest
  const { sha256, bytes } = stored
  return queries.insertFile(tx, { token, userId, sha256, bytes, format, width, height, hasAlpha, color })
}

async function deleteSecondCopy(deps: Pick<Deps, 'storage' | 'log'>, token: string): Promise<void> {
  // The picture is kept: bytes too many are no reason to call it lost.
  await deleteBytes(deps, token).catch(error =>
    deps.log.warn({ err: error, token }, 'the second copy of a picture could not be deleted'),
  )
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
