import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import type { Db } from '../db/db.ts'
import { touchByHash } from '../library/file-queries.ts'
import { insertStored, newToken, type Stored } from '../library/keep.ts'
import { deleteAllNamed, insertAllNamed, nameUnwanted } from '../library/named-queries.ts'
import { storageLock } from '../library/storage-limit.ts'
import { sumBytes } from '../library/storage-queries.ts'
import { storeUnseen } from '../library/unseen.ts'
import { type MoveDeps, NotTaken } from './pictures.ts'
import { readSource, type Source, type SourceAsset, TooLarge } from './source.ts'

/** The token under which its owner has it here, or why it is not taken. */
export type Outcome = string | NotTaken
type Asset = SourceAsset & { hash: Buffer | null }

/** More than a model has ever delivered. */
const LARGEST_PICTURE = 64 * 1024 ** 2
/** What a browser would run is no picture, whatever its bytes are. */
const pictureTypes = new Set(['image/png', 'image/jpeg', 'image/webp'])

// As many as wait for the disk together: each is a whole picture in memory.
const reading = pLimit(16)

/**
 * Keeps the bytes of assets, each for its owner, once; what became of each by its public token. A page of them costs a few
 * statements and not a few for each. Safe to repeat. Throws `StorageError`.
 */
export async function takeAssets(
  deps: MoveDeps,
  source: Source,
  assets: readonly SourceAsset[],
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const pictures = assets.filter(asset => {
    if (isPicture(asset)) return true
    outcomes.set(asset.publicToken, new NotTaken('its type is not one of a picture', asset.mimeType.slice(0, 60)))
    return false
  })
  const people = Map.groupBy(pictures.map(withHash), ({ userId }) => userId)
  await Promise.all([...people].map(([userId, own]) => takeOwn(deps, source, userId, own, outcomes)))
  return outcomes
}

export function isPicture({ mimeType }: SourceAsset): boolean {
  return pictureTypes.has(mimeType.toLowerCase().split(';', 1)[0]!.trim())
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

function withHash(asset: SourceAsset): Asset {
  return { ...asset, hash: /^[0-9a-f]{64}$/i.test(asset.sha256) ? Buffer.from(asset.sha256, 'hex') : null }
}

/** Of one person. What is stored is named before, so that housekeeping finds what a crash leaves behind. */
async function takeOwn(
  deps: MoveDeps,
  source: Source,
  userId: number,
  assets: readonly Asset[],
  outcomes: Map<string, Outcome>,
): Promise<void> {
  const known = await touchByHash(
    deps.db,
    userId,
    assets.flatMap(({ hash }) => hash ?? []),
  )
  const isNew = ({ hash }: Asset) => !hash || !known.has(hash.toString('hex'))
  for (const asset of assets) {
    if (!isNew(asset)) outcomes.set(asset.publicToken, known.get(asset.hash!.toString('hex'))!)
  }
  const named = assets.filter(isNew).map(asset => ({ asset, token: newToken() }))
  if (named.length === 0) return
  const names = named.map(({ token }) => token)
  await insertAllNamed(deps.db, names)
  const room = { left: deps.config.limits.storagePerUser - (await sumBytes(deps.db, userId)) }
  const keep = async ({ asset, token }: (typeof named)[number]): Promise<Kept | null> => {
    try {
      return { publicToken: asset.publicToken, token, stored: await store(deps, source, asset, token, room) }
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error
      outcomes.set(asset.publicToken, error)
      return null
    }
  }
  const kept = (await reading.map(named, keep)).filter(each => each !== null)
  const filed = await deps.db.transaction(tx => file({ ...deps, db: tx }, userId, names, kept))
  for (const [publicToken, outcome] of filed) outcomes.set(publicToken, outcome)
}

interface Kept {
  publicToken: string
  token: string
  stored: Stored
}

/** Throws `NotTaken` and `StorageError`. */
async function store(
  deps: MoveDeps,
  source: Source,
  asset: Asset,
  token: string,
  room: { left: number },
): Promise<Stored> {
  const bytes = await bytesOf(deps, source, asset, LARGEST_PICTURE)
  const sha256 = createHash('sha256').update(bytes).digest()
  if (asset.hash && !sha256.equals(asset.hash)) throw new NotTaken('the bytes are not those that its row names')
  if (bytes.length > room.left) throw new NotTaken('refused: no_room')
  room.left -= bytes.length
  const stored = await storeUnseen(deps, token, bytes, sha256)
  if (stored.condition === 'undecodable') throw new NotTaken(`refused: ${stored.detail || 'not_an_image'}`)
  return stored
}

/** What was named and has no place after all is left to housekeeping. */
async function file(
  { db: tx, config }: Pick<MoveDeps, 'config'> & { db: Db },
  userId: number,
  names: readonly string[],
  kept: readonly Kept[],
): Promise<Map<string, Outcome>> {
  await storageLock.wait(tx, userId)
  const unwanted = await deleteAllNamed(tx, names)
  const outcomes = new Map<string, Outcome>()
  let used = await sumBytes(tx, userId)
  for (const { publicToken, token, stored } of kept) {
    if (!unwanted.has(token)) throw new Error(`${token} took longer than a day to be stored`)
    const size = stored.bytes + (stored.original?.bytes ?? 0)
    if (used + size > config.limits.storagePerUser) {
      outcomes.set(publicToken, new NotTaken('refused: no_room'))
      continue
    }
    used += size
    const filed = await insertStored(tx, stored, { token, userId })
    if (filed.token === token) unwanted.delete(token)
    outcomes.set(publicToken, filed.token)
  }
  await nameUnwanted(tx, [...unwanted])
  return outcomes
}
