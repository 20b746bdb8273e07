import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { chooseKeyNamed } from '../account/choose.ts'
import { keepCurrent, openKeyOf } from '../account/current.ts'
import { requesterOf } from '../account/requester.ts'
import { accountOf, reloadViewer } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { createIntake } from '../library/intake.ts'
import { refusedFile } from '../library/refused.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { takeKeptForm } from '../session/kept-form.ts'
import { rowOf } from '../spend/evidence.ts'
import { isForLater, isForPage, Refusal } from '../web/errors.ts'
import { cursorOf, parseCursor } from '../web/paging.ts'
import { parseId, refuseUnknownFields, unknownField } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { submissionOf } from '../web/submission.ts'
import { acceptUploads, uploadsOf } from '../web/uploads.ts'
import { wordEach } from '../web/words.ts'
import { batchRoutes } from './batch-routes.ts'
import { checkJob, decideJob } from './check.ts'
import { composer } from './composer.ts'
import { keepDraft } from './draft.ts'
import { findDraft, upsertDraft } from './draft-queries.ts'
import { editForm } from './edit.ts'
import { editTerms } from './edit-terms.ts'
import { cancel } from './ended.ts'
import { iterationRoutes } from './iteration-routes.ts'
import { findJob, type ImageJob, listJobs, listJobsAfter, releaseWindow } from './job-queries.ts'
import { isUnfinished, tagOf, viewJobs } from './job-view.ts'
import { waitsOf } from './line.ts'
import { maskRoutes } from './mask-routes.ts'
import { findPreview } from './preview-queries.ts'
import {
  checkRequest,
  type FieldErrors,
  type FormValues,
  formFields,
  formOf,
  type ImageRequest,
  readForm,
  withSize,
} from './prompt.ts'
import { quote } from './quote.ts'
import { referenceRoutes } from './reference-routes.ts'
import { isRearrangement, keepReferences, tokensOf, uploadLimits, withKept } from './references.ts'
import { payInstead, requestOf, retryImage, startImage } from './start.ts'
import { type Doubt, doubtsAbout, readTerms, type Terms, toldOf, wordDoubts, writeTerms } from './terms.ts'
import type { ComposerView, JobView, OpenJob } from './view.ts'
import { listUnfinished, listWaitingById } from './wait-queries.ts'

const JOBS_PER_PAGE = 24
// Named in the address of a poll, which stays far below the 8 KB that proxies take.
const UNFINISHED_JOBS = 64
const Submission = z.guid()
/** What the composer is sent to. */
const FORM_PATHS = new Set(['/images', '/images/draft', '/images/composer', '/images/key', '/images/references'])

/** Asking for pictures, and watching them being made. */
export function imageRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  // The gateway lets a person read its usage rows 60 times a minute.
  const checks = createRateLimit(db, { name: 'check', points: 20, seconds: 60, refusal: 'errors.rate_limited' })
  const intake = createIntake(db)
  router.use('/images', requireSignIn(deps, ['prompt', 'prompts', 'x', 'y', 'width', 'height']))
  // Before `/images/:id`, which would take their addresses.
  router.use(referenceRoutes(deps, intake), maskRoutes(deps), batchRoutes(deps), iterationRoutes(deps))

  router.get('/images', async (req, res) => {
    const { userId } = signedIn(res)
    const cursor = parseCursor(req.query.before)
    const jobs = await listJobs(db, userId, { before: cursor, limit: JOBS_PER_PAGE + 1 })
    const { shown, unfinished } = await withUnfinished(userId, jobs.slice(0, JOBS_PER_PAGE))
    const last = jobs[JOBS_PER_PAGE - 1]
    const older = jobs.length > JOBS_PER_PAGE && last ? `/images?before=${cursorOf(last.createdAt, last.id)}` : null
    const days = byDay(res, shown, cursor?.at ?? null)
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'images/_older', { days, older }))
    await keepCurrent(deps, res)
    await letGo(res)
    const form = await firstForm(req, res)
    render(res, 'images/index', {
      composer: await composer(deps, res, form),
      days,
      older,
      arrivals: cursor ? null : arrivalsAfter(jobs),
      unfinished,
    })
  })

  router.post('/images', acceptUploads(uploadLimits), async (req, res) => {
    // A button that only moves a reference about must never pay for a picture.
    if (isRearrangement(req.body)) throw new Refusal(400, 'errors.bad_request')
    const cameAt = performance.now()
    const values = await withUploads(req, res)
    const submission = Submission.safeParse(req.body?.submission).data ?? randomUUID()
    const refuse = async (status: number, errors: FieldErrors, told: Doubt['why'][] = []) => {
      // Whoever leaves for another key, or for the account, finds it again.
      await upsertDraft(db, signedIn(res).userId, values)
      await answerRefused(req, res.status(status), await composer(deps, res, values, { errors, submission, told }))
    }
    const unknown = unknownField(req, [...formFields, 'file'])
    if (unknown) return refuse(422, { form: pageOf(res).t('errors.unknown_field', { field: unknown }) })
    const checked = checkRequest(values)
    if ('faults' in checked) return refuse(422, wordEach(pageOf(res).t, checked.faults))
    await keepCurrent(deps, res)
    const seen = readTerms(req.body?.terms)
    const edit = await editTerms(deps, accountOf(res), [checked.request])
    const doubts = doubtsAbout(accountOf(res), [checked.request], edit, seen)
    if (doubts.length > 0) return refuse(422, { form: wordDoubts(doubts, pageOf(res).t) }, toldOf(doubts, seen))
    try {
      const once = submissionOf(submission, checked.request)
      const { job, again } = await startImage(deps, requesterOf(res), checked.request, once)
      await answerStarted(req, res, job, again, { values, told: seen?.told ?? [] })
      await keepDraft(deps, job.userId, values, cameAt)
    } catch (error) {
      if (!(error instanceof Refusal) || isForPage(req, error)) throw error
      if (error.retryAfter) res.set('Retry-After', String(error.retryAfter))
      await refuse(isForLater(error) ? error.status : 422, { form: pageOf(res).t(error.key, error.params) })
    }
  })

  router.get('/images/quote', async (req, res) => {
    await keepCurrent(deps, res)
    const values = readForm(req.query)
    const priced = quote(accountOf(res), values, await editTerms(deps, accountOf(res), [values]))
    sendFragments(res, renderView(pageOf(res), 'images/_quote', { quote: priced }))
  })

  router.post('/images/draft', async (req, res) => {
    await upsertDraft(db, signedIn(res).userId, readForm(req.body))
    res.status(204).end()
  })

  router.post('/images/composer', async (req, res) => {
    const page = pageOf(res)
    sendFragments(
      res,
      renderView(page, 'images/_composer', { composer: await composer(deps, res, readForm(req.body)) }),
    )
  })

  // Another key in place of one that cannot pay now; what was typed comes along.
  router.post('/images/key', async (req, res) => {
    const values = readForm(req.body)
    await upsertDraft(db, signedIn(res).userId, values)
    const refused = await chooseKeyNamed(deps, res, req.body?.key_id)
    if (!wantsFragment(req)) return res.redirect(303, refused ? '/account#keys' : '/images')
    const errors = refused ? { form: pageOf(res).t(refused) } : {}
    const submission = Submission.safeParse(req.body?.submission).data
    const form = await composer(deps, res, values, { errors, ...(submission && { submission }) })
    const page = pageOf(res)
    // What waits for the old key may be paid with this one.
    const { userId } = signedIn(res)
    const open = await listUnfinished(db, userId, UNFINISHED_JOBS)
    const waits = await waitsOf(db, userId, open)
    const { shown: changed, unfinished } = await withUnfinished(
      userId,
      open.filter(job => waits.get(job.id)?.window),
    )
    sendFragments(
      res,
      renderView(page, 'images/_composer', { composer: form }),
      renderView(page, 'account/_key_changed', {}),
      renderView(page, 'images/_tiles', { changed, unfinished }),
    )
  })

  // One cheap question for all unfinished tiles: each tells what it shows, and only what differs is answered.
  router.get('/images/tiles', async (req, res) => {
    const { userId } = signedIn(res)
    const shown = new Set([req.query.t ?? []].flat().map(String).slice(0, UNFINISHED_JOBS))
    const ids = [...shown].map(tag => tag.slice(0, 36)).filter(id => Submission.safeParse(id).success)
    const jobs = await listWaitingById(db, userId, ids)
    const waits = await waitsOf(db, userId, jobs)
    const changed = jobs.filter(job => !shown.has(tagOf(job, waits.get(job.id) ?? null)))
    const settled = jobs.some(job => !isUnfinished(job))
    if (changed.length === 0 && !settled && jobs.length === ids.length) return res.status(204).end()
    await answerTiles(res, changed)
  })

  // A slow question of the page at rest: which jobs are there that it does not show, asked for by a script or elsewhere.
  router.get('/images/arrivals', async (req, res) => {
    const { userId } = signedIn(res)
    const shown = new Set([req.query.s ?? []].flat().map(String))
    const jobs = await listJobsAfter(db, userId, parseCursor(req.query.after), JOBS_PER_PAGE)
    const arrived = jobs.filter(job => !shown.has(job.id))
    if (arrived.length === 0) return res.status(204).end()
    const { shown: newest, unfinished } = await withUnfinished(userId, arrived)
    const data = { jobs: newest, unfinished }
    sendFragments(res, renderView(pageOf(res), 'images/_arrived', data))
  })

  router.get('/images/:id', async (req, res) => {
    const job = await myJob(req, res)
    const [shown] = await viewJobs(db, job.userId, [job])
    if (!wantsFragment(req)) return render(res, 'images/show', { job: shown! })
    if (req.query.t === shown!.tag) return res.status(204).end()
    sendFragments(res, renderView(pageOf(res), 'images/_job_page', { job: shown! }))
  })

  router.get('/images/:id/preview/:version', async (req, res) => {
    const bytes = await findPreview(db, signedIn(res).userId, parseId(req.params.id))
    if (!bytes) {
      // Of my own job: it has just given way to the picture.
      await myJob(req, res)
      return void res.status(204).end()
    }
    res.set('Cache-Control', 'private, max-age=600').type('image/webp').send(bytes)
  })

  router.post('/images/:id/cancel', async (req, res) => {
    const job = await myJob(req, res)
    const cancelled = await cancel(deps, job)
    if (!wantsFragment(req)) return res.redirect(303, `/images/${job.id}`)
    // Null: it ended while the button was pressed, and the tile says how.
    await answerTiles(res, [cancelled ?? (await myJob(req, res))])
  })

  router.post('/images/:id/move', async (req, res) => {
    const waiting = await myJob(req, res)
    refuseUnknownFields(req, ['terms'])
    await keepCurrent(deps, res)
    if (await asksFirst(req, res, requestOf(waiting))) return
    // Null: it waits no more, and the tile says what it does.
    const moved = await payInstead(deps, requesterOf(res), waiting)
    if (!wantsFragment(req)) return res.redirect(303, `/images/${waiting.id}`)
    await answerTiles(res, [moved ?? (await myJob(req, res))])
  })

  router.post('/images/:id/retry', async (req, res) => {
    const ended = await myJob(req, res)
    refuseUnknownFields(req, ['submission', 'terms'])
    await keepCurrent(deps, res)
    if (await asksFirst(req, res, requestOf(ended))) return
    const form = Submission.safeParse(req.body?.submission).data ?? null
    const { job, again } = await retryImage(deps, requesterOf(res), ended, form)
    await answerStarted(req, res, job, again, null, ended)
  })

  router.post('/images/:id/variations', async (req, res) => {
    const source = await myJob(req, res)
    refuseUnknownFields(req, ['n', 'submission', 'terms'])
    const values = { ...formOf(requestOf(source)), n: String(req.body?.n ?? 1).trim() }
    const checked = checkRequest(values)
    if ('faults' in checked) throw new Refusal(422, 'images.invalid.n', { max: findCapability(source.model)?.maxCount })
    await keepCurrent(deps, res)
    if (await asksFirst(req, res, checked.request)) return
    const submission = Submission.safeParse(req.body?.submission).data ?? randomUUID()
    const once = submissionOf(submission, checked.request)
    const { job, again } = await startImage(deps, requesterOf(res), checked.request, once)
    await answerStarted(req, res, job, again, null)
  })

  router.post('/images/:id/check', async (req, res) => {
    const job = await myJob(req, res)
    await checks.consume(String(job.userId))
    await checkJob(deps, job)
    await answerJudged(req, res, job)
  })

  router.post('/images/:id/decide', async (req, res) => {
    const job = await myJob(req, res)
    if (!(await decideJob(deps, job, rowOf(req.body)))) throw new Refusal(409, 'spend.gone')
    await answerJudged(req, res, job)
  })

  async function answerJudged(req: Request, res: Response, job: ImageJob): Promise<void> {
    if (!wantsFragment(req)) return res.redirect(303, `/images/${job.id}`)
    await answerTiles(res, [await myJob(req, res)])
  }

  /** The form, with the files that came along in it: without JavaScript they come with everything else. */
  async function withUploads(req: Request, res: Response): Promise<FormValues> {
    const values = readForm(req.body)
    const uploads = uploadsOf(req, 'file')
    if (uploads.length === 0) return values
    const { userId } = signedIn(res)
    const { t } = pageOf(res)
    const room = (findCapability(values.model) ?? defaultModel).maxReferences - values.references.length
    const kept = await keepReferences(deps, intake, userId, uploads, Math.max(0, room), t('images.upload.unnamed'))
    return withKept(values, uploads.length, kept)
  }

  async function myJob(req: Request, res: Response): Promise<ImageJob> {
    const job = await findJob(db, signedIn(res).userId, parseId(req.params.id))
    if (!job) throw new Refusal(404, 'errors.not_found')
    return job
  }

  /** What the form shows first: what an ended sign-in interrupted, settings asked for, or the draft. */
  async function firstForm(req: Request, res: Response) {
    const { userId } = signedIn(res)
    const kept = takeKeptForm(req, res, ({ path }) => FORM_PATHS.has(path))
    if (kept) {
      const values = readForm(kept)
      await upsertDraft(db, userId, values)
      return values
    }
    const from = Submission.safeParse(req.query.from)
    const source = from.success ? await findJob(db, userId, from.data) : null
    if (source) return formOf(requestOf(source))
    const draft = readForm(await findDraft(db, userId))
    if (typeof req.query.edit === 'string') return editForm(db, userId, req.query.edit, draft)
    if (req.query.reference !== undefined) {
      const names = [req.query.reference].flat().slice(0, 16).map(String)
      const tokens = await tokensOf(db, userId, names)
      return withKept(draft, 0, { tokens, refused: tokens.length < names.length ? [refusedFile('gone', '')] : [] })
    }
    return typeof req.query.size === 'string' ? withSize(draft, req.query.size) : draft
  }

  async function answerStarted(
    req: Request,
    res: Response,
    job: ImageJob,
    again: boolean,
    form: { values: FormValues; told: Terms['told'] } | null,
    retried: ImageJob | null = null,
  ): Promise<void> {
    if (!wantsFragment(req)) return res.redirect(303, `/images/${job.id}`)
    const { shown, unfinished } = await withUnfinished(job.userId, retried ? [job, retried] : [job])
    const data = {
      job: shown[0]!,
      again,
      unfinished,
      composer: form && (await composer(deps, res, form.values, { told: form.told })),
      retried: shown[1] ?? null,
    }
    sendFragments(res, renderView(pageOf(res), 'images/_created', data))
  }

  /** Of what waits for a window of the key that has opened before its time. */
  async function letGo(res: Response): Promise<void> {
    const { userId } = signedIn(res)
    const keyId = openKeyOf(accountOf(res))
    if (keyId) await releaseWindow(db, userId, keyId)
  }

  /** Whether something has to be said of the price before a button without a form around it pays. */
  async function asksFirst(req: Request, res: Response, request: ImageRequest): Promise<boolean> {
    const seen = readTerms(req.body?.terms)
    const account = accountOf(res)
    const doubts = doubtsAbout(account, [request], await editTerms(deps, account, [request]), seen)
    if (doubts.length === 0 || !account?.keyPrices) return false
    const question = {
      action: req.originalUrl,
      sentence: doubts.map(({ why, params }) => pageOf(res).t(`images.doubt.${why}`, { ...params })).join(' '),
      terms: writeTerms({ prices: account.keyPrices, told: toldOf(doubts, seen) }),
      fields: z
        .record(z.string(), z.string())
        .catch({})
        .parse(req.body ?? {}),
    }
    res.status(409)
    if (wantsFragment(req)) sendFragments(res, renderView(pageOf(res), 'images/_doubt', { question }))
    else render(res, 'images/doubt', { question })
    return true
  }

  async function answerRefused(req: Request, res: Response, form: ComposerView): Promise<void> {
    if (wantsFragment(req)) {
      return sendFragments(res.status(422), renderView(pageOf(res), 'images/_composer', { composer: form }))
    }
    const { userId } = signedIn(res)
    const jobs = await listJobs(db, userId, { before: null, limit: JOBS_PER_PAGE })
    const { shown, unfinished } = await withUnfinished(userId, jobs)
    const days = byDay(res, shown, null)
    render(res, 'images/index', { composer: form, days, older: null, arrivals: arrivalsAfter(jobs), unfinished })
  }

  async function answerTiles(res: Response, changed: readonly ImageJob[]): Promise<void> {
    const { userId } = signedIn(res)
    await reloadViewer(deps, res)
    const { shown, unfinished } = await withUnfinished(userId, changed)
    sendFragments(res, renderView(pageOf(res), 'images/_tiles', { changed: shown, unfinished }))
  }

  /** Jobs as a page shows them, and those that it is to go on asking about. */
  async function withUnfinished(
    userId: number,
    jobs: readonly ImageJob[],
  ): Promise<{ shown: JobView[]; unfinished: OpenJob[] }> {
    const open = await listUnfinished(db, userId, UNFINISHED_JOBS)
    const waits = await waitsOf(db, userId, [...jobs, ...open])
    // Of what is shown, as it is shown: what has changed since is still to be told.
    const asShown = new Map(jobs.map(job => [job.id, job]))
    const unfinished = open
      .map(job => asShown.get(job.id) ?? job)
      .map(job => ({ state: job.state, tag: tagOf(job, waits.get(job.id) ?? null) }))
    return { shown: await viewJobs(db, userId, jobs, waits), unfinished }
  }

  return router
}

/** Where a page that shows these jobs, newest first, asks for later ones. */
function arrivalsAfter([newest]: readonly ImageJob[]): string {
  return `/images/arrivals${newest ? `?after=${cursorOf(newest.createdAt, newest.id)}` : ''}`
}

/** Jobs under the day they were asked for, in the reader's time zone; the first page always begins with today. */
function byDay(res: Response, jobs: readonly JobView[], before: Date | null): { label: string; jobs: JobView[] }[] {
  const page = pageOf(res)
  const today = page.day(new Date())
  const groups = Map.groupBy(jobs, job => page.day(job.createdAt))
  if (!before && !groups.has(today)) groups.set(today, [])
  const labels = new Map([[today, page.t('images.today')], ...(before ? [[page.day(before), ''] as const] : [])])
  return [...groups]
    .map(([day, list]) => ({ label: labels.get(day) ?? day, jobs: list }))
    .toSorted((a, b) => Number(b.label === labels.get(today)) - Number(a.label === labels.get(today)))
}
