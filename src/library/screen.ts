import type { Request, Response } from 'express'
import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import { drawScreen, SCREEN_EDGE } from '../pixels/screen.ts'
import { Refusal } from '../web/errors.ts'
import type { StoredFile } from './file-queries.ts'
import { sendDrawn, sendStored, shownBytes } from './send.ts'

/** So small, the file itself is as quick. */
const SMALL_BYTES = 300_000
/** So many wait for one that is drawn: whoever comes then is served sooner with the file itself. */
const MOST_WAITING = 3

const drawing = pLimit(1)

/** Sends a picture as large as a screen, to be looked at before anybody looks closer. */
export async function sendScreen(
  deps: Pick<Deps, 'storage'>,
  req: Request,
  res: Response,
  file: StoredFile,
  readers?: 'guests',
): Promise<void> {
  const isSmall = file.bytes <= SMALL_BYTES && Math.max(file.width, file.height) <= SCREEN_EDGE
  if (isSmall || file.format === 'bin' || drawing.pendingCount >= MOST_WAITING)
    return sendStored(deps, req, res, shownBytes(file, { readers }))
  const etag = `"${file.sha256.toString('base64url')}-${SCREEN_EDGE}"`
  await sendDrawn(req, res, { etag, readers }, () =>
    drawing(async () => {
      const bytes = await deps.storage.read(file.token)
      if (!bytes) throw new Refusal(404, 'errors.not_found')
      return drawScreen(bytes)
    }),
  )
}
