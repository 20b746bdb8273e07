import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { discardBytes } from '../library/keep.ts'
import { nameUnwanted } from '../library/named-queries.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { binarySize } from '../web/text.ts'
import { uploadsOf } from '../web/uploads.ts'
import { cancelImport, deleteImport, findImport, type Import, listEntries, listImports } from './queries.ts'
import { receiveZip, tooLarge } from './receive.ts'
import { startImport } from './start.ts'
import { type EntriesView, type ImportView, type Outcome, outcomes } from './view.ts'

const IMPORTS_SHOWN = 20
const ENTRIES_SHOWN = 200
const Page = z.object({
  of: z.enum(outcomes).optional().catch(undefined),
  after: z.coerce.number().int().min(0).max(1e9).catch(0),
})

/** Pictures on their way in, from a ZIP of this program or of anybody. */
export function importRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  router.use('/imports', requireSignIn(deps))
  const brought = createRateLimit(db, { name: 'import', points: 60, seconds: 3600, refusal: 'errors.rate_limited' })

  router.get('/imports', async (_req, res) => {
    const imports = (await listImports(db, signedIn(res).userId, IMPORTS_SHOWN)).map(viewImport)
    render(res, 'imports/index', { imports, limit: binarySize(deps.config.limits.importBytes) })
  })

  router.post('/imports', ...receiveZip(deps), async (req, res) => {
    const { userId } = signedIn(res)
    await brought.consume(String(userId))
    const [upload] = uploadsOf(req, 'file')
    if (!upload) throw new Refusal(422, 'imports.no_file')
    if (upload.file === null) throw tooLarge(deps.config)
    const { id } = await startImport(deps, userId, { ...upload, file: upload.file })
    res.redirect(303, `/imports/${id}`)
  })

  router.get('/imports/:id', async (req, res) => {
    const found = await myImport(req, res)
    const { of, after } = parse(Page, req.query)
    const shown = { report: viewImport(found), lists: await viewEntries(found, of, after) }
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'imports/_report', shown))
    render(res, 'imports/show', shown)
  })

  router.post('/imports/:id/cancel', async (req, res) => {
    const { id, userId } = await myImport(req, res)
    const waited = await db.transaction(async tx => {
      const cancelled = await cancelImport(tx, userId, id)
      if (cancelled?.state !== 'cancelled') return null
      await nameUnwanted(tx, [cancelled.object])
      return cancelled
    })
    if (waited) await discardBytes(deps, waited.object)
    res.redirect(303, `/imports/${id}`)
  })

  router.post('/imports/:id/delete', async (req, res) => {
    const { id, userId } = await myImport(req, res)
    if (!(await deleteImport(db, userId, id))) throw new Refusal(409, 'imports.not_over')
    res.redirect(303, '/imports')
  })

  async function myImport(req: Request, res: Response): Promise<Import> {
    const found = await findImport(db, signedIn(res).userId, parseId(req.params.id))
    if (!found) throw new Refusal(404, 'errors.not_found')
    return found
  }

  /** What was refused first: it is what somebody can do something about. */
  async function viewEntries(found: Import, of: Outcome | undefined, after: number): Promise<EntriesView[]> {
    if (found.state === 'queued' || found.state === 'running') return []
    const lists = of ? [of] : outcomes.toReversed()
    return Promise.all(
      lists.map(async outcome => {
        const entries = await listEntries(db, found.id, outcome, of ? after : 0, ENTRIES_SHOWN + 1)
        const last = entries.length > ENTRIES_SHOWN ? entries[ENTRIES_SHOWN - 1] : undefined
        return {
          outcome,
          count: found[outcome],
          entries: entries.slice(0, ENTRIES_SHOWN).map(({ name, reason, pictureId }) => ({
            name,
            reason,
            url: pictureId && `/library/${pictureId}`,
          })),
          more: last ? `/imports/${found.id}?of=${outcome}&after=${last.number}` : null,
        }
      }),
    )
  }

  return router
}

function viewImport(found: Import): ImportView {
  const { id, state, name, bytes, total, added, skipped, refused, problem, createdAt, cancelRequestedAt } = found
  const cancelling = state === 'running' && cancelRequestedAt !== null
  return { id, state, name, bytes, total, added, skipped, refused, problem, cancelling, createdAt }
}
