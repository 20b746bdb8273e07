import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { readerOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import type { Intake } from '../library/intake.ts'
import { viewRefused } from '../library/refused.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { acceptUploads, uploadsOf } from '../web/uploads.ts'
import { composer } from './composer.ts'
import { originOf } from './draft.ts'
import { appendDraftReferences, findDraft, upsertDraft } from './draft-queries.ts'
import { viewReferences } from './job-view.ts'
import { readForm } from './prompt.ts'
import { type Kept, keepReferences, rearranged, tokensOf, uploadLimits, withKept } from './references.ts'

const one = z.string().max(300).optional().catch(undefined)
const to = '/images/references'
const Change = z.object({ remove: one, earlier: one, later: one, unmask: one })
const Names = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .catch(undefined)

/**
 * Pictures to start from: uploaded, or taken from one's own. With JavaScript one file a request, answered with what to
 * put into the form; without, the whole form comes along and becomes the draft.
 */
export function referenceRoutes(deps: Deps, intake: Intake): Router {
  const { db } = deps
  const router = Router()

  router.post('/images/references', acceptUploads(uploadLimits), add)
  // Where a phone shares pictures to. No page of ours sends them: no field that comes along is read.
  router.post('/images/shared', acceptUploads(uploadLimits), (req, res) => {
    req.body = {}
    return add(req, res)
  })

  return router

  async function add(req: Request, res: Response): Promise<void> {
    const { userId } = signedIn(res)
    const { t } = pageOf(res)
    const isFragment = wantsFragment(req)
    const change = Change.parse(req.body ?? {})
    const hasForm = req.body?.prompt !== undefined
    const before = hasForm ? readForm(req.body) : readForm(await findDraft(db, userId))

    if (change.remove || change.earlier || change.later || change.unmask) {
      const values = rearranged(before, { ...change, unmask: change.unmask !== undefined })
      await upsertDraft(db, userId, values, originOf(req.body))
      if (!isFragment) return res.redirect(303, '/images')
      return sendFragments(
        res,
        renderView(pageOf(res), 'images/_references', { composer: await composer(deps, readerOf(res), values) }),
      )
    }

    const max = (findCapability(before.model) ?? defaultModel).maxReferences
    const files = uploadsOf(req, 'file')
    const mine = await tokensOf(db, userId, [Names.parse(req.body?.picture) ?? []].flat().slice(0, max))
    const room = Math.max(0, max - before.references.length)
    const kept = await keepReferences(
      deps,
      intake,
      userId,
      files,
      Math.max(0, room - mine.length),
      t('images.upload.unnamed'),
    )
    if (files.length === 0 && mine.length === 0) throw new Refusal(422, 'images.upload.nothing')
    const tokens = [...mine, ...kept.tokens]
    if (isFragment) {
      if (tokens.length > 0) await appendDraftReferences(db, userId, before, tokens)
      return answerAdded(res, { ...kept, tokens }, max)
    }
    await upsertDraft(db, userId, withKept(before, files.length, { ...kept, tokens }), originOf(req.body))
    res.redirect(303, '/images')
  }

  async function answerAdded(res: Response, { tokens, refused }: Kept, max: number): Promise<void> {
    const page = pageOf(res)
    const references = await viewReferences(db, signedIn(res).userId, tokens)
    sendFragments(
      res.status(references.length > 0 ? 200 : 422),
      ...references.map(reference => renderView(page, 'images/_reference', { reference })),
      ...viewRefused(page.t, refused, max).map(file =>
        renderView(page, 'library/_refused', { file, to, swaps: false }),
      ),
    )
  }
}

/** What is shared by somebody who is not signed in is nobody's, and not kept: they are told so once they are. */
export function sharedWhileSignedOut(): Router {
  const router = Router()
  router.use('/images/shared', (_req, res, next) => {
    if (res.locals.signedIn) return next()
    res.redirect(303, `/login?${new URLSearchParams({ next: '/images?share=again' })}`)
  })
  return router
}
