import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { chooseKeyNamed } from '../account/choose.ts'
import { keepCurrent } from '../account/current.ts'
import { requesterOf } from '../account/requester.ts'
import { accountOf, readerOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { takeKeptForm } from '../session/kept-form.ts'
import { isOfBudget } from '../spend/budgets.ts'
import { isForLater, isForPage, Refusal } from '../web/errors.ts'
import { parseId, unknownField } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { logBegun } from '../web/request-log.ts'
import { submissionOf } from '../web/submission.ts'
import { inTurn } from '../web/turns.ts'
import { acceptUploads } from '../web/uploads.ts'
import { say, word, wordEach } from '../web/words.ts'
import { type Batch, findBatch, setBatchState } from './batch-queries.ts'
import { BATCH_LINES, type CheckedLines, checkLines, startBatch, viewBatch } from './batches.ts'
import { claimsLock } from './claim-queries.ts'
import { composer } from './composer.ts'
import { findDraft } from './draft-queries.ts'
import { editTerms } from './edit-terms.ts'
import { withdrawJobs } from './job-queries.ts'
import { type FieldErrors, type FormValues, formFields, readForm } from './prompt.ts'
import { quote } from './quote.ts'
import { rearranged } from './references.ts'
import { doubtsAbout, readTerms, type Terms, toldOf, wordDoubts } from './terms.ts'
import type { BatchForm } from './view.ts'

const Fields = z.object({
  prompts: z.string().catch(''),
  step: z.enum(['edit', 'preview', 'start']).catch('preview'),
  submission: z.guid().nullable().catch(null),
  /** What the preview was of. */
  previewed: z.guid().nullable().catch(null),
  choices: z
    .literal('on')
    .transform(() => true)
    .catch(false),
})
const fields = [...formFields.filter(name => name !== 'prompt'), ...Object.keys(Fields.shape)]

// Room for as many lines as there may be, each as long as a prompt may be, in letters of four bytes.
const textLimits = { files: 1, bytes: 1, text: 8 * 1024 * 1024 }

/** Characters of a line beside its price: the whole of it stands in the form. */
const LINE_SHOWN = 400

interface Typed {
  prompts: string
  choices: boolean
  values: FormValues
}

/** Many prompts in one go: written, previewed with the price, started, paused. */
export function batchRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const batches = createRateLimit(db, { name: 'batch', points: 20, seconds: 60, refusal: 'errors.rate_limited' })

  router.get('/images/batch', async (req, res) => {
    await keepCurrent(deps, res)
    const kept = takeKeptForm(req, res, ({ path }) => /^\/images\/batch(\/key)?$/.test(path))
    if (kept) {
      const { prompts, submission, choices } = Fields.parse(kept)
      const batch = await formOf(res, { prompts, choices, values: readForm({ ...kept, prompt: '' }) }, {})
      return render(res, 'images/batch', { batch: { ...batch, submission: submission ?? batch.submission } })
    }
    const draft = readForm(await findDraft(db, signedIn(res).userId))
    if (req.query.preview === undefined) {
      return render(res, 'images/batch', {
        batch: await formOf(res, { prompts: draft.prompt, choices: true, values: draft }, {}),
      })
    }
    // One prompt of the composer, with choices in it.
    const typed = { prompts: draft.prompt.replace(/\s*\n\s*/g, ' '), choices: true, values: { ...draft, prompt: '' } }
    render(res, 'images/batch', { batch: await previewOf(res, typed, checkLines(typed.prompts, typed.values, true)) })
  })

  router.post('/images/batch', acceptUploads(textLimits), async (req, res) => {
    const { prompts, step, submission, previewed, choices } = Fields.parse(req.body ?? {})
    const { t } = pageOf(res)
    const values = readForm({ ...req.body, prompt: '' })
    const typed = { prompts, choices, values }
    await keepCurrent(deps, res)
    if (req.body?.remove !== undefined) {
      const left = rearranged(values, { remove: String(req.body.remove) })
      const batch = await formOf(res, { ...typed, values: left }, {})
      if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'images/_batch_form', { batch }))
      return render(res, 'images/batch', { batch })
    }
    if (step === 'edit') return render(res, 'images/batch', { batch: await formOf(res, typed, {}) })
    const unknown = unknownField(req, fields)
    const { lines, faults } = unknown
      ? { lines: [], faults: { form: say('errors.unknown_field', { field: unknown }) } }
      : checkLines(prompts, values, choices)
    const requests = lines.flatMap(line => line.request ?? [])
    const isSound = requests.length > 0 && requests.length === lines.length
    const shownNow = submissionOf('preview', requests)
    const edit = await editTerms(deps, accountOf(res), [values])
    const answer = async (status: number, more: FieldErrors = {}, told: Terms['told'] = []) => {
      const preview = await previewOf(res, typed, { lines, faults }, { more, told })
      const batch = { ...preview, submission: submission ?? preview.submission }
      res.status(status)
      if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'images/_batch_preview', { batch }))
      render(res, 'images/batch', { batch })
    }
    if (!isSound || step === 'preview') return answer(isSound ? 200 : 422)
    // What was changed since its price was shown is shown again, not paid for.
    if (previewed && previewed !== shownNow) return answer(422, { changed: t('images.batch.changed') })
    const seen = readTerms(req.body?.terms)
    const doubts = doubtsAbout(accountOf(res), requests, edit, seen)
    if (doubts.length > 0) return answer(422, { form: wordDoubts(doubts, t) }, toldOf(doubts, seen))
    try {
      await batches.consume(String(signedIn(res).userId))
      const once = submissionOf(submission ?? randomUUID(), requests)
      const batch = await startBatch(deps, requesterOf(res), requests, once)
      logBegun(res, { batch: batch.id })
      const url = `/images/batches/${batch.id}`
      if (wantsFragment(req)) return res.set('HX-Redirect', url).status(204).end()
      res.redirect(303, url)
    } catch (error) {
      if (!(error instanceof Refusal) || isForPage(req, error)) throw error
      if (error.retryAfter) res.set('Retry-After', String(error.retryAfter))
      const sentence = t(error.key, error.params)
      await answer(isForLater(error) ? error.status : 422, { [isOfBudget(error) ? 'budget' : 'form']: sentence })
    }
  })

  // Another key in place of one that cannot pay now; what was typed stays.
  router.post('/images/batch/key', acceptUploads(textLimits), async (req, res) => {
    const { prompts, choices } = Fields.parse(req.body ?? {})
    const values = readForm({ ...req.body, prompt: '' })
    const refused = await chooseKeyNamed(deps, res, req.body?.key_id)
    const batch = await formOf(res, { prompts, choices, values }, refused ? { form: pageOf(res).t(refused) } : {})
    const page = pageOf(res)
    if (!wantsFragment(req)) return render(res, 'images/batch', { batch })
    sendFragments(res, renderView(page, 'images/_batch_form', { batch }), renderView(page, 'account/_key_changed', {}))
  })

  router.get('/images/batches/:id', async (req, res) => {
    const batch = await viewBatch(db, await myBatch(req, res))
    if (!wantsFragment(req)) return render(res, 'images/batch_show', { batch })
    if (req.query.t === batch.tag) return res.status(204).end()
    sendFragments(res, renderView(pageOf(res), 'images/_batch', { batch }))
  })

  router.post('/images/batches/:id/pause', async (req, res) => {
    await answerBatch(req, res, await setState(req, res, 'paused'))
  })

  router.post('/images/batches/:id/resume', async (req, res) => {
    await answerBatch(req, res, await setState(req, res, 'running'))
  })

  router.post('/images/batches/:id/cancel', async (req, res) => {
    const batch = await myBatch(req, res)
    await inTurn(db, claimsLock, batch, tx => withdrawJobs(tx, batch.userId, { batchId: batch.id }))
    await answerBatch(req, res, batch)
  })

  async function myBatch(req: Request, res: Response): Promise<Batch> {
    const batch = await findBatch(db, signedIn(res).userId, parseId(req.params.id))
    if (!batch) throw new Refusal(404, 'errors.not_found')
    return batch
  }

  async function setState(req: Request, res: Response, state: Batch['state']): Promise<Batch> {
    const batch = await myBatch(req, res)
    return inTurn(db, claimsLock, batch, tx => setBatchState(tx, batch, state))
  }

  async function answerBatch(req: Request, res: Response, batch: Batch): Promise<void> {
    if (!wantsFragment(req)) return res.redirect(303, `/images/batches/${batch.id}`)
    sendFragments(res, renderView(pageOf(res), 'images/_batch', { batch: await viewBatch(db, batch) }))
  }

  /** The form, and what it asks for line by line. */
  async function previewOf(
    res: Response,
    typed: Typed,
    { lines, faults }: CheckedLines,
    { more = {}, told = [] }: { more?: FieldErrors; told?: Terms['told'] } = {},
  ): Promise<BatchForm> {
    const { t } = pageOf(res)
    const edit = await editTerms(deps, accountOf(res), [typed.values])
    const form = await formOf(res, typed, { ...wordEach(t, faults), ...more })
    return {
      ...form,
      lines: lines.map(({ prompt, fault }) => ({ prompt: beginningOf(prompt), error: fault && word(t, fault) })),
      each: quote(accountOf(res), typed.values, edit, { times: lines.length, told, usual: form.each.usual }),
      previewed: submissionOf(
        'preview',
        lines.flatMap(line => line.request ?? []),
      ),
    }
  }

  /** The form with the settings of the composer. */
  async function formOf(
    res: Response,
    { prompts, choices, values: given }: Typed,
    errors: FieldErrors,
  ): Promise<BatchForm> {
    const {
      values,
      references,
      refused,
      mask,
      models,
      submission,
      obstacle,
      quote: each,
      advice,
    } = await composer(deps, readerOf(res), given)
    return {
      prompts,
      choices,
      values,
      references,
      refused,
      mask,
      models,
      errors,
      lines: [],
      each,
      warning: advice?.kind === 'not_honoured' ? advice.honour : null,
      submission,
      previewed: null,
      limit: BATCH_LINES,
      obstacle,
    }
  }

  return router
}

function beginningOf(prompt: string): string {
  return prompt.length > LINE_SHOWN ? `${prompt.slice(0, LINE_SHOWN).toWellFormed()}…` : prompt
}
