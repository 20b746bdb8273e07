import type { Deps } from '../deps.ts'
import { preview } from '../pixels/digest.ts'
import type { StoredFile } from './file-queries.ts'

const LONGEST_EDGE = 1_536
const SENT_AS_IT_IS_BYTES = 700_000

type Shown = Pick<StoredFile, 'token'> & Partial<Pick<StoredFile, 'width' | 'height' | 'format'>>

/** A picture for a text model to look at, as small as it can use; null when the bytes are gone. */
export async function dataUrl(
  deps: Pick<Deps, 'storage' | 'log'>,
  { token, width, height, format }: Shown,
): Promise<string | null> {
  try {
    const bytes = await deps.storage.read(token)
    if (!bytes) return null
    const fits = width && height && Math.max(width, height) <= LONGEST_EDGE && bytes.length <= SENT_AS_IT_IS_BYTES
    if (fits && format) return `data:image/${format};base64,${bytes.toString('base64')}`
    return `data:image/webp;base64,${(await preview(bytes, LONGEST_EDGE)).toString('base64')}`
  } catch (error) {
    deps.log.warn({ err: error, token: token.slice(0, 6) }, 'a picture could not be shown to the model')
    return null
  }
}
