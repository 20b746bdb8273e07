import type { Response } from 'express'
import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import { convert } from '../pixels/convert.ts'
import { Refusal } from '../web/errors.ts'
import type { StoredFile } from './file-queries.ts'
import { contentTypeOf } from './formats.ts'

export const copyFormats = ['png', 'jpeg', 'webp'] as const
// A picture of 40 megapixels takes some 200 MB.
const oneAtATime = pLimit(1)

/** Sends a copy in another format; the file itself stays as it is. Throws `Refusal` 404 where there is none to be made. */
export async function sendCopy(
  deps: Pick<Deps, 'storage'>,
  res: Response,
  file: StoredFile,
  { format, saveAs }: { format: (typeof copyFormats)[number]; saveAs: string },
): Promise<void> {
  if (file.format === 'bin' || file.format === format) throw new Refusal(404, 'errors.not_found')
  const bytes = await oneAtATime(async () => {
    const original = await deps.storage.read(file.token)
    if (!original) throw new Refusal(404, 'errors.not_found')
    return convert(original, format)
  })
  res.attachment(saveAs).type(contentTypeOf(format))
  res.set({ 'Cache-Control': 'private, max-age=86400', 'Content-Security-Policy': "sandbox; default-src 'none'" })
  res.send(bytes)
}
