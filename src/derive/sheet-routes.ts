import { type Request, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import type { Picture } from '../library/queries.ts'
import { Selected, selectedIds } from '../library/selected.ts'
import { hasChineseLetters } from '../pixels/caption.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { localPath, parse } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render } from '../web/render.ts'
import { listForSheet, makeSheet, mostOnSheet, SheetFields } from './sheet.ts'

/** What is selected in the library on one sheet, to be looked at or printed. */
export function sheetRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const sheets = createRateLimit(db, { name: 'sheet', points: 20, seconds: 60, refusal: 'errors.rate_limited' })

  router.post('/derive/sheet', async (req, res) => {
    const pictures = await selected(req, res)
    render(res, 'derive/sheet', {
      ids: pictures.map(({ id }) => id),
      most: mostOnSheet,
      back: localPath(req.body?.back, '/library'),
      hasLetters: await hasChineseLetters(),
    })
  })

  router.post('/derive/sheet/file', async (req, res) => {
    const form = parse(SheetFields, req.body)
    const pictures = await selected(req, res)
    refuseMore(pictures.length, mostOnSheet[form.format])
    await sheets.consume(String(signedIn(res).userId))
    const sheet = await makeSheet(deps, pictures, form, pageOf(res))
    const day = new Date().toISOString().slice(0, 10)
    res.attachment(`contact-sheet-${day}.${form.format}`).type(form.format)
    res.set({ 'Cache-Control': 'no-store', 'Content-Security-Policy': "sandbox; default-src 'none'" })
    res.send(sheet)
  })

  /** Throws `Refusal` 422 for none, and for more than any sheet takes. */
  async function selected(req: Request, res: Response): Promise<Picture[]> {
    const { userId } = signedIn(res)
    const ids = await selectedIds(db, userId, parse(Selected, req.body), pageOf(res).timeZone)
    refuseMore(ids.length, mostOnSheet.pdf)
    const pictures = await listForSheet(db, userId, ids)
    if (pictures.length === 0) throw new Refusal(422, 'library.selection.none')
    return pictures
  }

  return router
}

function refuseMore(count: number, limit: number): void {
  if (count > limit) throw new Refusal(422, 'derive.sheet.too_many', { count, limit })
}
