import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { nameUnwanted } from '../library/named-queries.ts'
import { Selected, selectedIds } from '../library/selected.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { submissionOf } from '../web/submission.ts'
import { deleteExport, type Export, findExport, listExports, listFilesOf, listPaperObjects } from './queries.ts'
import { sendExport } from './send.ts'
import { startExport } from './start.ts'
import type { ExportView } from './view.ts'

const EXPORTS_SHOWN = 50
const Everything = z.object({ as_of: z.iso.datetime() })

/** Pictures on their way out, as ZIP files. */
export function exportRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  router.use('/exports', requireSignIn(deps))

  router.get('/exports', async (req, res) => {
    const exports = (await listExports(db, signedIn(res).userId, EXPORTS_SHOWN)).map(viewExport)
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'exports/_list', { exports }))
    render(res, 'exports/index', { exports })
  })

  router.post('/exports', async (req, res) => {
    const { userId } = signedIn(res)
    const selected = parse(Selected, req.body)
    const ids = [...new Set(await selectedIds(db, userId, selected, pageOf(res).timeZone))]
    // The same selection of the same page is one export, however often it is pressed.
    const submission = submissionOf(selected.as_of ?? randomUUID(), ids.toSorted())
    await startExport(deps, { userId, kind: 'pictures', language: pageOf(res).lang, ids, submission })
    res.redirect(303, '/exports')
  })

  router.post('/exports/everything', async (req, res) => {
    const { userId } = signedIn(res)
    const { lang, timeZone } = pageOf(res)
    const { as_of } = parse(Everything, req.body)
    const ids = await selectedIds(db, userId, { all: 'on', as_of, back: '/library?kind=all' }, timeZone)
    const submission = submissionOf(as_of, 'everything')
    await startExport(deps, { userId, kind: 'everything', language: lang, ids, submission })
    res.redirect(303, '/exports')
  })

  router.get('/exports/:id/file', async (req, res) => {
    const made = await myExport(req, res)
    if (made.state !== 'ready') throw new Refusal(409, 'exports.not_ready')
    await sendExport(deps, req, res, made, await listFilesOf(db, made.id))
  })

  router.post('/exports/:id/delete', async (req, res) => {
    const made = await myExport(req, res)
    await db.transaction(async tx => {
      await nameUnwanted(tx, await listPaperObjects(tx, made.id))
      await deleteExport(tx, made.userId, made.id)
    })
    res.redirect(303, '/exports')
  })

  async function myExport(req: Request, res: Response): Promise<Export> {
    const made = await findExport(db, signedIn(res).userId, parseId(req.params.id))
    if (!made) throw new Refusal(404, 'errors.not_found')
    return made
  }

  return router
}

function viewExport({ id, kind, state, name, total, checked, bytes, createdAt, expiresAt }: Export): ExportView {
  return {
    id,
    kind,
    state,
    name: `${name}.zip`,
    url: `/exports/${id}/file`,
    total,
    checked,
    bytes,
    createdAt,
    expiresAt,
  }
}
