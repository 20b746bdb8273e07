import { createHash, randomBytes } from 'node:crypto'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { type Salvaged, salvage } from '../pixels/salvage.ts'
import { StorageError } from '../storage/storage.ts'
import { insertFile } from './file-queries.ts'
import { contentTypeOf } from './formats.ts'
import {
  deleteNamed,
  deleteOrphan,
  deleteTrashed,
  deleteUnusedFile,
  insertNamed,
  listOrphans,
  listUnusedFiles,
} from './named-queries.ts'
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
export interface Stored extends Pick<Salvaged, 'condition' | 'detail'> {
  digest: Omit<Salvaged['digest'], 'thumbnail'>
  sha256: Buffer
  bytes: number
  original: { format: string; bytes: number } | null
}

/**
 * Stores the bytes of a picture under `token`, whatever they are, with a thumbnail and, where a copy of them is shown, as they
 * came. Throws `StorageError`. Safe to repeat.
 */
export async function storePicture(
  deps: Pick<Deps, 'storage' | 'config'>,
  token: string,
  received: Buffer,
): Promise<Stored> {
  const { bytes, digest, condition, original, detail } = await salvage(received, deps.config.thumbnailEdge)
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
  deps: Pick<Deps, 'storage' | 'log' | 'at'> & { db: Db },
  stored: Stored,
  picture: NewPicture,
): Promise<string> {
  const kept = await deps.db.transaction(async tx => {
    const file = await insertStored(tx, stored, picture)
    await queries.insertPicture(tx, { condition: stored.condition, ...picture, token: file.token })
    if (picture.jobId) await deps.at?.('committing', picture.jobId)
    return file.token
  })
  if (kept !== picture.token) await discardBytes(deps, picture.token)
  return kept
}

/** As stored, if nothing else is said of it. */
type NewPicture = Omit<queries.NewPicture, 'condition'> & Partial<Pick<queries.NewPicture, 'condition'>>

/** Stores and files a picture that was pasted together from `result` and its original; answers its id. */
export async function keepComposed(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  bytes: Buffer,
  { result, original }: { result: queries.Picture; original: string },
): Promise<string> {
  const { id } = await storeNamed(
    deps,
    token => storePicture(deps, token, bytes),
    async (tx, token, stored) => {
      const file = await insertStored(tx, stored, { token, userId: result.userId })
      return { token: file.token, id: await queries.upsertComposed(tx, result, file.token, original) }
    },
  )
  return id
}

/**
 * Stores bytes under a new token and files them. The token is named in a row before: whatever happens in between,
 * housekeeping finds the bytes. `file` answers the token under which the person has them, maybe an older one.
 */
export async function storeNamed<Stored, Filed extends { token: string }>(
  deps: Pick<Deps, 'db' | 'storage' | 'log'>,
  store: (token: string) => Promise<Stored>,
  file: (tx: Db, token: string, stored: Stored) => Promise<Filed>,
): Promise<Filed> {
  const token = newToken()
  await insertNamed(deps.db, token)
  const stored = await store(token)
  const filed = await deps.db.transaction(async tx => {
    if (!(await deleteNamed(tx, token))) throw new Error(`${token} took longer than a day to be stored`)
    return file(tx, token, stored)
  })
  if (filed.token !== token) await discardBytes(deps, token)
  return filed
}

export function insertStored(tx: Db, stored: Stored, { token, userId }: { token: string; userId: number }) {
  const { format, width, height, hasAlpha, color } = stored.digest
  const { sha256, bytes, original } = stored
  const facts = { format, width, height, hasAlpha, color, originalFormat: original?.format ?? null }
  return insertFile(tx, { token, userId, sha256, bytes, ...facts, originalBytes: original?.bytes ?? null })
}

/** Deletes bytes that nobody wants, now or, where the store is away, with the orphans. */
export async function discardBytes(deps: Pick<Deps, 'storage' | 'log'> & { db: Db }, name: string): Promise<void> {
  await insertNamed(deps.db, name)
  try {
    await deleteBytes(deps, name)
    await deleteNamed(deps.db, name)
  } catch (error) {
    // Bytes too many are no reason to call what is kept lost, and housekeeping finds them.
    deps.log.warn({ err: error, name }, 'bytes that nobody wants could not be deleted')
  }
}

/** Deletes for good what has been in the trash for `days`; answers how many files went. What fails waits for the next time. */
export async function emptyTrash(deps: Deleting, days: number): Promise<number> {
  await deleteTrashed(deps.db, days)
  return deleteAll(deps, listUnusedFiles, deleteUnusedFile)
}

/** Deletes bytes that were named and never filed, because whoever brought them or this process went away. */
export function deleteOrphans(deps: Deleting): Promise<number> {
  return deleteAll(deps, listOrphans, deleteOrphan)
}

type Deleting = Pick<Deps, 'db' | 'storage' | 'log' | 'stopping'>

const AT_ONCE = 500
const FAILURES = 20

/**
 * Row and bytes together: while the storage fails the row stays, or nobody would know of the bytes any more. When the
 * process is to stop, the rest waits for the next time.
 */
async function deleteAll(
  deps: Deleting,
  list: (db: Db, after: string, limit: number) => Promise<string[]>,
  deleteRow: (tx: Db, token: string) => Promise<boolean>,
): Promise<number> {
  let deleted = 0
  let failures = 0
  for (let tokens = await list(deps.db, '', AT_ONCE); tokens.length > 0; ) {
    for (const token of tokens) {
      if (deps.stopping.aborted) return deleted
      try {
        await deps.db.transaction(async tx => {
          if (!(await deleteRow(tx, token))) return
          await deleteBytes(deps, token)
          deleted++
        })
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        deps.log.warn({ err: error, token }, 'bytes could not be deleted')
        // One object that cannot be deleted keeps no other; a store that is away is left alone.
        if (++failures >= FAILURES) return deleted
      }
    }
    tokens = await list(deps.db, tokens.at(-1)!, AT_ONCE)
  }
  return deleted
}

export async function deleteBytes(deps: Pick<Deps, 'storage'>, token: string): Promise<void> {
  // With a suffix it is no picture, and nothing lies beside it.
  const names = isToken(token) ? [token, thumbnailName(token), originalName(token)] : [token]
  await Promise.all(names.map(name => deps.storage.delete(name)))
}
