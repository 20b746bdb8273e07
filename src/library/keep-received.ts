import { createHash } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { findFileByHash } from './file-queries.ts'
import { discardBytes, insertStored, storeNamed, storePicture } from './keep.ts'
import { hasRoomFor, storageLock } from './storage-limit.ts'
import { UploadRefused } from './uploads.ts'

/**
 * Keeps a picture that was made elsewhere, bit for bit, where it can be shown at least in part; answers the token of its
 * file, which is an older one for bytes that the owner has. What no picture needs within a day is deleted again. Throws
 * `UploadRefused` and `StorageError`.
 */
export async function keepReceived(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  userId: number,
  bytes: Buffer,
): Promise<string> {
  const sha256 = createHash('sha256').update(bytes).digest()
  const known = await findFileByHash(deps.db, userId, sha256)
  if (known) return known.token
  if (!(await hasRoomFor(deps, userId, bytes.length))) throw new UploadRefused('no_room')
  const { token } = await storeNamed(
    deps,
    async token => {
      const stored = await storePicture(deps, token, bytes)
      if (stored.condition !== 'undecodable') return stored
      await discardBytes(deps, token)
      throw new UploadRefused(stored.detail || 'not_an_image')
    },
    async (tx, token, stored) => {
      await storageLock.wait(tx, userId)
      const size = stored.bytes + (stored.original?.bytes ?? 0)
      if (!(await hasRoomFor({ ...deps, db: tx }, userId, size))) throw new UploadRefused('no_room')
      return insertStored(tx, stored, { token, userId })
    },
  )
  return token
}
