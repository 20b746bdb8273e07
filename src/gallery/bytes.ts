import { type Request, type Response, Router } from 'express'
import pLimit from 'p-limit'
import type { Deps } from '../deps.ts'
import { findFile, type StoredFile } from '../library/file-queries.ts'
import { fileName, sendStored, shownBytes } from '../library/send.ts'
import { sendThumbnail } from '../library/unseen.ts'
import { drawCard } from '../pixels/card.ts'
import { Refusal } from '../web/errors.ts'
import type { Shown } from './queries.ts'
import { CARD_EDGE } from './view-exhibit.ts'

// Previews of links are asked for by machines, several within a second, and made from the whole picture.
const CARDS_KEPT = 64

/** The bytes of what is shown, from here only and looked up each time: after its end nobody gets them any more. */
export function byteRoutes(
  deps: Pick<Deps, 'db' | 'storage' | 'config'>,
  visible: (req: Request, res: Response) => Promise<Shown>,
): Router {
  const router = Router()
  const cards = new Map<string, Promise<Buffer>>()
  const drawing = pLimit(1)

  router.get('/shared/:id/picture', async (req, res) => {
    const { exhibit, file } = await shownFile(req, res)
    const saveAs =
      req.query.download === undefined ? undefined : fileName(exhibit.prompt ?? '', { format: file.format })
    await sendStored(deps, req, res, shownBytes(file, { saveAs, readers: 'guests' }))
  })

  router.get('/shared/:id/thumb', async (req, res) => {
    const { file } = await shownFile(req, res)
    await sendThumbnail(deps, req, res, file, 'guests')
  })

  router.get('/shared/:id/card.jpg', async (req, res) => {
    const { exhibit, file } = await shownFile(req, res)
    const card = await cardOf(exhibit.id, file)
    res.set({ 'Cache-Control': 'private, no-cache', 'Cross-Origin-Resource-Policy': 'cross-origin' })
    res.type('image/jpeg').send(card)
  })

  return router

  async function shownFile(req: Request, res: Response): Promise<{ exhibit: Shown; file: StoredFile }> {
    const exhibit = await visible(req, res)
    if (!exhibit.isListed) res.set('X-Robots-Tag', 'noindex, nofollow, noarchive')
    const file = await findFile(deps.db, exhibit.userId, exhibit.token)
    if (!file) throw new Refusal(404, 'gallery.gone')
    return { exhibit, file }
  }

  function cardOf(id: string, file: StoredFile): Promise<Buffer> {
    if (cards.has(id)) return cards.get(id)!
    if (cards.size >= CARDS_KEPT) cards.delete(cards.keys().next().value!)
    const made = drawing(async () => {
      const bytes = await deps.storage.read(file.token)
      if (!bytes) throw new Refusal(404, 'gallery.gone')
      return drawCard(bytes, CARD_EDGE)
    })
    cards.set(id, made)
    made.catch(() => cards.delete(id))
    return made
  }
}
