import type { Request, Response } from 'express'
import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import { isComplete } from '../pixels/bare.ts'
import { measure, NotAPicture } from '../pixels/digest.ts'
import { salvage } from '../pixels/salvage.ts'
import { Refusal } from '../web/errors.ts'
import { holdFile, type StoredFile } from './file-queries.ts'
import { contentTypeOf } from './formats.ts'
import { type Stored, storePicture, thumbnailName } from './keep.ts'
import { replaceFacts } from './object-queries.ts'
import { type Readers, sendStored, thumbnailBytes } from './send.ts'

/** Of a picture that was never decoded: three digits, where a colour that was seen has six. */
const UNSEEN = '#888'

// Each holds a whole picture, and takes a core.
const making = pLimit(2)

/**
 * Stores the bytes of a picture under `token` without decoding them: its colour and its thumbnail come when somebody first looks
 * at it. `sha256` is theirs. What is not built as its format says, to its end, is stored as by `storePicture`. Throws `StorageError`.
 */
export async function storeUnseen(
  deps: Pick<Deps, 'storage' | 'config'>,
  token: string,
  bytes: Buffer,
  sha256: Buffer,
): Promise<Stored> {
  const facts = await measure(bytes).catch(nullIfNone)
  if (!facts || !(await isComplete(bytes, facts.format))) return storePicture(deps, token, bytes)
  await deps.storage.put(token, bytes, { contentType: contentTypeOf(facts.format) })
  const digest = { ...facts, color: UNSEEN }
  return { condition: 'whole', detail: '', digest, sha256, bytes: bytes.length, original: null }
}

/** Sends a thumbnail, and makes it before where there is none. Throws as `sendStored` does. */
export async function sendThumbnail(
  deps: Pick<Deps, 'db' | 'storage' | 'config'>,
  req: Request,
  res: Response,
  file: StoredFile,
  readers?: Readers,
): Promise<void> {
  try {
    await sendStored(deps, req, res, thumbnailBytes(file, readers))
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 404)) throw error
    await makeThumbnail(deps, file)
    await sendStored(deps, req, res, thumbnailBytes(file, readers))
  }
}

/** Makes what is missing of a file: its thumbnail, and its colour where nobody has seen it yet. */
export function makeThumbnail(deps: Pick<Deps, 'db' | 'storage' | 'config'>, file: StoredFile): Promise<void> {
  const name = thumbnailName(file.token)
  return making(async () => {
    if (await deps.storage.head(name)) return
    const bytes = await deps.storage.read(file.token)
    if (!bytes) throw new Refusal(404, 'errors.not_found')
    const { digest } = await salvage(bytes, deps.config.thumbnailEdge)
    await deps.db.transaction(async tx => {
      // Its bytes go with its row: what is put after that would stay for ever.
      if (!(await holdFile(tx, file.userId, file.token))) throw new Refusal(404, 'errors.not_found')
      await deps.storage.put(name, digest.thumbnail, { contentType: 'image/webp' })
      if (file.color === UNSEEN) await replaceFacts(tx, file, { ...file, color: digest.color })
    })
  })
}

function nullIfNone(error: unknown): null {
  if (error instanceof NotAPicture) return null
  throw error
}
