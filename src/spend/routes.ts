import { type Request, type Response, Router } from 'express'
import { zoneOf } from '../account/time-zone.ts'
import { accountOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { findReceipt, type ReceiptCopy } from './copy-queries.ts'
import { findElsewhere } from './elsewhere.ts'
import { sendReceipts } from './export.ts'
import { addressOf, readPeriod } from './period.ts'
import { viewReceipt } from './receipt-view.ts'
import { sheetAsJson, sheetOf, textOf } from './sheet.ts'
import { viewSpend } from './spend-view.ts'
import { listSums } from './sum-queries.ts'

/** What a person spent, and the receipt of every call. */
export function spendRoutes(deps: Deps): Router {
  const { db, config } = deps
  const router = Router()
  router.use('/spend', requireSignIn(deps))

  router.get('/spend', async (req, res) => {
    const { userId, signInId } = signedIn(res)
    const { t } = pageOf(res)
    const period = periodOf(req, res)
    const url = `${addressOf(period)}&elsewhere=yes`
    const found = req.query.elsewhere ? await findElsewhere(deps, { userId, signInId }, period, t) : null
    const elsewhere = found ?? { state: req.query.elsewhere ? ('failed' as const) : ('not_asked' as const), url }
    const browser = pageOf(res).timeZone
    const otherZone = accountOf(res)?.timeZone == null && browser !== period.zone ? browser : null
    render(res, 'spend/index', { spend: { ...(await viewSpend(db, userId, period, t)), elsewhere, otherZone } })
  })

  // Beside the balance, on every page.
  router.get('/spend/today', async (req, res) => {
    const period = readPeriod({ range: 'today' }, zoneOf(accountOf(res)))
    const [sums] = (await listSums(db, signedIn(res).userId, period, 'day')).filter(({ isAll }) => isAll)
    if (!wantsFragment(req)) return res.redirect(303, '/spend?range=today')
    sendFragments(res, renderView(pageOf(res), 'spend/_today', { usd: sums ? Number(sums.usd) : 0 }))
  })

  for (const as of ['csv', 'json'] as const)
    router.get(`/spend/receipts.${as}`, async (req, res) => {
      await sendReceipts(db, signedIn(res).userId, periodOf(req, res), res, as)
    })

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

  /** Counted by the days of the zone that sums are kept in. */
  function periodOf(req: Request, res: Response) {
    return readPeriod(req.query, zoneOf(accountOf(res)))
  }

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
