import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import type { Derived } from '../library/derived.ts'
import { insertStored, storeNamed, storePicture } from '../library/keep.ts'
import { type Picture, upsertDerived } from '../library/queries.ts'
import { hasRoomFor, noRoom, refuseWhenFull, storageLock } from '../library/storage-limit.ts'
import { Animated } from '../pixels/whole.ts'
import { Refusal } from '../web/errors.ts'

// A photograph of 40 megapixels takes some 300 MB and two seconds.
const oneAtATime = pLimit(1)

interface Drawn {
  bytes: Buffer
  derived: Derived
}

/**
 * Makes another picture of `source` by arithmetic and files it beside it: the original stays as it is, nothing is paid, and it
 * says how it was made. Asked again, it is the same picture again. Answers its id. Throws `Refusal` 404 where the bytes are gone,
 * 409 where there is no room, 422 for an animation.
 */
export function keepDerived(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  source: Picture,
  draw: (original: Buffer) => Promise<Drawn>,
): Promise<string> {
  const { userId } = source
  return oneAtATime(async () => {
    await refuseWhenFull(deps, userId)
    const { bytes, derived } = await drawn(await readOriginal(deps, source), draw)
    const { id } = await storeNamed(
      deps,
      token => storePicture(deps, token, bytes),
      async (tx, token, stored) => {
        await storageLock.wait(tx, userId)
        if (!(await hasRoomFor({ ...deps, db: tx }, userId, stored.bytes))) throw noRoom(deps)
        const file = await insertStored(tx, stored, { token, userId })
        return { token: file.token, id: await upsertDerived(tx, source, file.token, derived) }
      },
    )
    return id
  })
}

/** Throws `Refusal` 404 where they are gone. */
export async function readOriginal(deps: Pick<Deps, 'storage'>, { token }: Picture): Promise<Buffer> {
  const original = await deps.storage.read(token)
  if (!original) throw new Refusal(404, 'errors.not_found')
  return original
}

async function drawn<T>(original: Buffer, draw: (original: Buffer) => Promise<T>): Promise<T> {
  try {
    return await draw(original)
  } catch (error) {
    throw error instanceof Animated ? new Refusal(422, 'derive.animated') : error
  }
}
