import { type Request, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { pageOf, render } from '../web/render.ts'
import { findReceipt, type ReceiptCopy } from './copy-queries.ts'
import { viewReceipt } from './receipt-view.ts'
import { sheetAsJson, sheetOf, textOf } from './sheet.ts'

/** What a person spent, and the receipt of every call. */
export function spendRoutes(deps: Deps): Router {
  const { db, config } = deps
  const router = Router()
  router.use('/spend', requireSignIn(deps))

  router.get('/spend/receipts/:id', async (req, res) => {
    const receipt = await myReceipt(req, res)
    const lines = linesOf(res, receipt)
    render(res, 'spend/receipt', { receipt: viewReceipt(receipt), sheet: { lines, text: textOf(lines) } })
  })

  router.get('/spend/receipts/:id/sheet.txt', async (req, res) => {
    const receipt = await myReceipt(req, res)
    res.set('Cache-Control', 'no-store').attachment(`receipt-${receipt.id}.txt`)
    res.send(textOf(linesOf(res, receipt)))
  })

  router.get('/spend/receipts/:id/sheet.json', async (req, res) => {
    const receipt = await myReceipt(req, res)
    res.set('Cache-Control', 'no-store').attachment(`receipt-${receipt.id}.json`)
    res.send(`${JSON.stringify(sheetAsJson(receipt), null, 2)}\n`)
  })

  function linesOf(res: Response, receipt: ReceiptCopy): [string, string][] {
    return sheetOf(receipt, config.publicOrigin, pageOf(res).t)
  }

  async function myReceipt(req: Request, res: Response): Promise<ReceiptCopy> {
    const receipt = await findReceipt(db, signedIn(res).userId, parseId(req.params.id))
    if (!receipt) throw new Refusal(404, 'errors.not_found')
    return receipt
  }

  return router
}
