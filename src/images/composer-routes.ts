import { Router } from 'express'
import { z } from 'zod'
import { chooseKeyNamed } from '../account/choose.ts'
import { keepCurrent } from '../account/current.ts'
import { hushAdvice, setEditPreviews } from '../account/queries.ts'
import { accountOf, readerOf, reloadViewer } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import type { Intake } from '../library/intake.ts'
import { defaultModel } from '../models/image-models.ts'
import { signedIn } from '../session/guard.ts'
import { parse } from '../web/parse.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { acceptUploads } from '../web/uploads.ts'
import { adviceFor, isAdvice } from './advice.ts'
import { answersOf } from './answers.ts'
import { composer } from './composer.ts'
import { draftFieldOf, originOf } from './draft.ts'
import { upsertDraft } from './draft-queries.ts'
import { editTerms } from './edit-terms.ts'
import { readHistory } from './history.ts'
import { waitsOf } from './line.ts'
import { postedForm } from './posted.ts'
import { readForm, withSize } from './prompt.ts'
import { listPrompts } from './prompt-queries.ts'
import { quote } from './quote.ts'
import { uploadLimits } from './references.ts'
import { usualOfForm } from './usual.ts'
import { listUnfinished, UNFINISHED_JOBS } from './wait-queries.ts'

const PROMPTS_RECALLED = 30
const LONGEST_RECALLED = defaultModel.maxPromptLength
const Submission = z.guid()
/** One press on advice: `size:1024x816`, `key:12`, `previews:off`, or `hush:larger`, which wants no more of that kind. */
const Press = z
  .string()
  .regex(/^(size|key|previews|hush):\w+$/)
  .transform(text => text.split(':') as ['size' | 'key' | 'previews' | 'hush', string])

/** What the form asks for while it is filled in: its price, another key, what was advised, and its draft kept. */
export function composerRoutes(deps: Deps, intake: Intake): Router {
  const { db } = deps
  const router = Router()
  const { withUnfinished } = answersOf(deps)

  router.get('/images/quote', async (req, res) => {
    await keepCurrent(deps, res)
    const values = readForm(req.query)
    const account = accountOf(res)
    const [edit, usual] = await Promise.all([
      editTerms(deps, account, [values]),
      usualOfForm(db, signedIn(res).userId, account?.keyId ?? null, values),
    ])
    const quoted = { quote: quote(account, values, edit, { usual }), advice: adviceFor(account, values, edit) }
    sendFragments(res, renderView(pageOf(res), 'images/_quoted', quoted))
  })

  // What was advised is taken, or that kind of advice not wanted any more; what was typed comes along.
  router.post('/images/advice', acceptUploads(uploadLimits), async (req, res) => {
    const { userId } = signedIn(res)
    const [what, value] = parse(z.object({ press: Press }), { press: req.body?.press }).press
    const typed = await postedForm(deps, intake, req, res)
    const values = what === 'size' ? withSize(typed, value) : typed
    await upsertDraft(db, userId, values, originOf(req.body))
    const refused = what === 'key' ? await chooseKeyNamed(deps, res, value) : null
    if (what === 'previews') await setEditPreviews(db, userId, false)
    if (what === 'hush' && isAdvice(value)) await hushAdvice(db, userId, value)
    if (what !== 'key') await reloadViewer(deps, res)
    if (!wantsFragment(req)) return res.redirect(303, refused ? '/account#keys' : '/images')
    const submission = Submission.safeParse(req.body?.submission).data
    const errors = refused ? { form: pageOf(res).t(refused) } : {}
    const form = await composer(deps, readerOf(res), values, {
      errors,
      draft: draftFieldOf(req.body),
      ...(submission && { submission }),
    })
    const page = pageOf(res)
    sendFragments(
      res,
      renderView(page, 'images/_composer', { composer: form }),
      ...(what === 'key' ? [renderView(page, 'account/_key_changed', {})] : []),
    )
  })

  router.post('/images/draft', async (req, res) => {
    await upsertDraft(db, signedIn(res).userId, readForm(req.body), originOf(req.body))
    res.status(204).end()
  })

  router.post('/images/composer', async (req, res) => {
    const page = pageOf(res)
    sendFragments(
      res,
      renderView(page, 'images/_composer', {
        composer: await composer(deps, readerOf(res), readForm(req.body), { draft: draftFieldOf(req.body) }),
      }),
    )
  })

  // Another key in place of one that cannot pay now; what was typed comes along.
  router.post('/images/key', async (req, res) => {
    const values = readForm(req.body)
    await upsertDraft(db, signedIn(res).userId, values, originOf(req.body))
    const refused = await chooseKeyNamed(deps, res, req.body?.key_id)
    if (!wantsFragment(req)) return res.redirect(303, refused ? '/account#keys' : '/images')
    const errors = refused ? { form: pageOf(res).t(refused) } : {}
    const submission = Submission.safeParse(req.body?.submission).data
    const form = await composer(deps, readerOf(res), values, {
      errors,
      draft: draftFieldOf(req.body),
      ...(submission && { submission }),
    })
    const page = pageOf(res)
    // What waits for the old key may be paid with this one.
    const { userId } = signedIn(res)
    const open = await listUnfinished(db, userId, UNFINISHED_JOBS)
    const waits = await waitsOf(db, userId, open)
    const { shown: changed, unfinished } = await withUnfinished(
      userId,
      open.filter(job => waits.get(job.id)?.window || waits.get(job.id)?.needsKey),
    )
    sendFragments(
      res,
      renderView(page, 'images/_composer', { composer: form }),
      renderView(page, 'account/_key_changed', {}),
      renderView(page, 'images/_tiles', { changed, unfinished }),
    )
  })

  // What the prompt of the form may be again, whole.
  router.get('/images/prompts', async (req, res) => {
    const { words } = readHistory(req.query)
    const found = await listPrompts(db, signedIn(res).userId, words, PROMPTS_RECALLED, LONGEST_RECALLED)
    sendFragments(res, renderView(pageOf(res), 'images/_prompts', { prompts: found.map(({ prompt }) => prompt) }))
  })

  return router
}
