import { createHash } from 'node:crypto'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { folderNamed, tagsNamed } from '../imports/file.ts'
import { findFileByHash } from '../library/file-queries.ts'
import { findByFile, type ImportedPicture, insertMoved } from '../library/import-queries.ts'
import { keepReceived } from '../library/keep-received.ts'
import { storageLock } from '../library/storage-limit.ts'
import { UploadRefused } from '../library/uploads.ts'
import { readSource, type Source, type SourceAsset, type SourceItem, TooLarge } from './source.ts'

export type MoveDeps = Pick<Deps, 'db' | 'storage' | 'log' | 'config' | 'sealer'>

/** More than a model has ever delivered. */
const LARGEST_PICTURE = 64 * 1024 ** 2
const FIRST_DAY = new Date('2000-01-01')
/** What a browser would run is no picture, whatever its bytes are. */
const pictureTypes = new Set(['image/png', 'image/jpeg', 'image/webp'])

/** Why something is not taken, for the report: one of few reasons, and what is to be said of this one. */
export class NotTaken extends Error {
  readonly detail: string

  constructor(reason: string, detail = '', options?: ErrorOptions) {
    super(reason, options)
    this.detail = detail
  }
}

export function isPicture({ mimeType }: SourceAsset): boolean {
  return pictureTypes.has(mimeType.toLowerCase().split(';', 1)[0]!.trim())
}

/** Keeps the bytes of an asset for its owner, once; the token of the file. Throws `NotTaken` and `StorageError`. */
export async function takeAsset(deps: MoveDeps, source: Source, asset: SourceAsset): Promise<string> {
  if (!isPicture(asset)) throw new NotTaken('its type is not one of a picture', asset.mimeType.slice(0, 60))
  const sha256 = /^[0-9a-f]{64}$/i.test(asset.sha256) ? Buffer.from(asset.sha256, 'hex') : null
  const known = sha256 && (await findFileByHash(deps.db, asset.userId, sha256))
  if (known) return known.token
  const bytes = await bytesOf(deps, source, asset, LARGEST_PICTURE)
  if (sha256 && !createHash('sha256').update(bytes).digest().equals(sha256)) {
    throw new NotTaken('the bytes are not those that its row names')
  }
  try {
    return await keepReceived(deps, asset.userId, bytes)
  } catch (error) {
    if (error instanceof UploadRefused) throw new NotTaken(`refused: ${error.reason}`, '', { cause: error })
    throw error
  }
}

/** From its folder, or from the bucket under the name that it has there. Throws `NotTaken`. */
export async function bytesOf(deps: MoveDeps, source: Source, asset: SourceAsset, most: number): Promise<Buffer> {
  try {
    const here = await readSource(source, `assets/${asset.filePath}`, most)
    const bytes = here ?? (deps.config.s3 ? await deps.storage.read(asset.publicToken) : null)
    if (!bytes) throw new NotTaken('the bytes are missing')
    return bytes
  } catch (error) {
    if (error instanceof TooLarge) throw new NotTaken('too large', error.message, { cause: error })
    throw error
  }
}

type Said = Pick<SourceItem, 'prompt' | 'size'> &
  Partial<Pick<SourceItem, 'folder' | 'tags' | 'favorite' | 'deletedAt'>> & { createdAt: Date }

/** Files a picture in its owner's library under an id that it keeps. False where it is, or these bytes are, already. */
export async function filePicture(
  deps: MoveDeps,
  userId: number,
  { id, token }: { id: string; token: string },
  said: Said,
): Promise<boolean> {
  // Most pictures of conversations are there: without a lock that is one question.
  if (await findByFile(deps.db, userId, token)) return false
  return deps.db.transaction(async tx => {
    await storageLock.wait(tx, userId)
    if (await findByFile(tx, userId, token)) return false
    return (await insertMoved(tx, await pictureOf(tx, userId, token, id, said))) !== null
  })
}

async function pictureOf(tx: Db, userId: number, token: string, id: string, said: Said): Promise<ImportedPicture> {
  const now = new Date()
  const { createdAt } = said
  return {
    id,
    userId,
    token,
    origin: said.prompt ? 'made' : 'uploaded',
    condition: 'whole',
    prompt: said.prompt,
    revisedPrompt: '',
    model: '',
    requestedSize: said.size.slice(0, 40),
    quality: '',
    favourite: said.favorite ?? false,
    createdAt: createdAt > now ? now : createdAt < FIRST_DAY ? FIRST_DAY : createdAt,
    // The days in the trash begin anew: nobody should lose what they were about to look for.
    deletedAt: said.deletedAt ? now : null,
    changedOutside: null,
    derived: null,
    asked: null,
    returned: {},
    sourceTokens: [],
    folderId: await folderNamed(tx, userId, said.folder ?? ''),
    tags: await tagsNamed(tx, userId, said.tags ?? []),
    imported: { at: now, cost: null, receipts: [] },
  }
}
