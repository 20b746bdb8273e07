import { createHash, randomBytes } from 'node:crypto'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { type Salvaged, salvage } from '../storage/salvage.ts'
import { contentTypeOf } from './formats.ts'
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

/** Of the bytes as they came, where those under the token are a copy made of them. */
export function originalName(token: string): string {
  return `${token}.original`
}

/** A picture whose bytes are stored, and what is to be said of it. */
export interface Stored extends Pick<Salvaged, 'condition' | 'digest' | 'detail'> {
  sha256: Buffer
  bytes: number
  original: { format: string; bytes: number } | null
}

/**
 * Stores the bytes of a picture under `token`, whatever they are, with a thumbnail and, where a copy of them is shown, as they
 * came. Throws `StorageError`. Safe to repeat.
 */
export async function storePicture(deps: Pick<Deps, 'storage'>, token: string, received: Buffer): Promise<Stored> {
  const { bytes, digest, condition, original, detail } = await salvage(received)
  const put = (name: string, content: Buffer, format: string) =>
    deps.storage.put(name, content, { contentType: contentTypeOf(format) })
  // One after the other: whoever finds what a crash left behind looks for the picture, never for a thumbnail alone.
  if (original) await put(originalName(token), original.bytes, original.format)
  await put(token, bytes, digest.format)
  await put(thumbnailName(token), digest.thumbnail, 'webp')
  return {
    condition,
    digest,
    detail,
    sha256: createHash('sha256').update(bytes).digest(),
    bytes: bytes.length,
    original: original && { format: original.format, bytes: original.bytes.length },
  }
}

/** What was given to `storePicture`, should a crash have come after it; null when nothing was stored. */
export async function readReceived(deps: Pick<Deps, 'storage'>, token: string): Promise<Buffer | null> {
  return (await deps.storage.read(originalName(token))) ?? deps.storage.read(token)
}

/**
 * Files a stored picture in its owner's library, in one transaction, and answers the token that it has there: bytes that
 * they have already are kept once. Safe to repeat for the pictures of a job.
 */
export async function filePicture(
  deps: Pick<Deps, 'storage' | 'log'> & { db: Db },
  stored: Stored,
  picture: NewPicture,
): Promise<string> {
  const kept = await deps.db.transaction(async tx => {
    const file = await insertStored(tx, stored, picture)
    await queries.insertPicture(tx, { condition: stored.condition, ...picture, token: file.token })
    return file.token
  })
  if (kept !== picture.token) await deleteSecondCopy(deps, picture.token)
  return kept
}

/** As stored, if nothing else is said of it. */
type NewPicture = Omit<queries.NewPicture, 'condition'> & Partial<Pick<queries.NewPicture, 'condition'>>

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

function insertStored(tx: Db, stored: Stored, { token, userId }: { token: string; userId: number }) {
  const { format, width, height, hasAlpha, color } = stored.digest
  const { sha256, bytes, original } = stored
  const facts = { format, width, height, hasAlpha, color, originalFormat: original?.format ?? null }
  return queries.insertFile(tx, { token, userId, sha256, bytes, ...facts, originalBytes: original?.bytes ?? null })
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
  const names = [token, thumbnailName(token), originalName(token)]
  await Promise.all(names.map(name => deps.storage.delete(name)))
}
