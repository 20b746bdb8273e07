import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { chooseKeyNamed } from '../account/choose.ts'
import { keepCurrent, openKeyOf } from '../account/current.ts'
import { acceptKey } from '../account/queries.ts'
import { requesterOf } from '../account/requester.ts'
import { accountOf, readerOf, reloadViewer } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { createIntake } from '../library/intake.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { isOfBudget } from '../spend/budgets.ts'
import { isForLater, isForPage, Refusal } from '../web/errors.ts'
import { cursorOf, parseCursor } from '../web/paging.ts'
import { unknownField } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { submissionOf } from '../web/submission.ts'
import { acceptUploads } from '../web/uploads.ts'
import { wordEach } from '../web/words.ts'
import { answersOf } from './answers.ts'
import { batchRoutes } from './batch-routes.ts'
import { countChoices } from './choices.ts'
import { composer } from './composer.ts'
import { composerRoutes } from './composer-routes.ts'
import { dismissedAt, dismissRoutes } from './dismiss-routes.ts'
import { draftFieldOf, keepDraft, originOf } from './draft.ts'
import { upsertDraft } from './draft-queries.ts'
import { draftRoutes, putAwayBy } from './draft-routes.ts'
import { editTerms } from './edit-terms.ts'
import { examples } from './examples.ts'
import { firstForm, type Offers } from './first-form.ts'
import { historyAddress, readHistory, viewHistory } from './history.ts'
import { listHistory } from './history-queries.ts'
import { type ImageJob, listJobsAfter, releaseWindow } from './job-queries.ts'
import { jobRoutes } from './job-routes.ts'
import { waitsOf } from './line.ts'
import { maskRoutes } from './mask-routes.ts'
import { postedForm } from './posted.ts'
import { checkRequest, type FieldErrors, formFields } from './prompt.ts'
import { referenceRoutes, sharedWhileSignedOut } from './reference-routes.ts'
import { isRearrangement, uploadLimits } from './references.ts'
import { startImage } from './start.ts'
import { type Doubt, doubtsAbout, readTerms, toldOf, wordDoubts } from './terms.ts'
import { changedOf, shownBy } from './unchanged.ts'
import type { ComposerView, JobView } from './view.ts'
import { listWaitingById } from './wait-queries.ts'

const JOBS_PER_PAGE = 24
const Submission = z.guid()
const PREVIEW = '/images/batch?preview=on'
const EXAMPLES = examples.map(({ name }) => name)

/** Asking for pictures, and watching them being made. */
export function imageRoutes(deps: Deps, offers: Offers): Router {
  const { db } = deps
  const router = Router()
  const intake = createIntake(db)
  const { answerStarted, answerTiles, withUnfinished } = answersOf(deps)
  router.use(sharedWhileSignedOut())
  router.use('/images', requireSignIn(deps, ['prompt', 'prompts', 'x', 'y', 'width', 'height']))
  // Before `/images/:id`, which would take their addresses.
  router.use(referenceRoutes(deps, intake), maskRoutes(deps), batchRoutes(deps), dismissRoutes(deps), draftRoutes(deps))
  router.use(composerRoutes(deps, intake))

  router.get('/images', async (req, res) => {
    const { userId } = signedIn(res)
    const cursor = parseCursor(req.query.before)
    const filter = readHistory(req.query)
    const jobs = await listHistory(db, userId, { filter, before: cursor, limit: JOBS_PER_PAGE + 1 })
    const { shown, unfinished } = await withUnfinished(userId, jobs.slice(0, JOBS_PER_PAGE))
    const last = jobs[JOBS_PER_PAGE - 1]
    const isMore = jobs.length > JOBS_PER_PAGE && last
    const older = isMore ? historyAddress(filter, cursorOf(last.createdAt, last.id)) : null
    const days = byDay(res, shown, cursor?.at ?? null)
    if (wantsFragment(req)) return sendFragments(res, renderView(pageOf(res), 'images/_older', { days, older }))
    await keepCurrent(deps, res)
    await letGo(res)
    const { values, draft, kept, undo } = await firstForm(deps, offers, req, res)
    render(res, 'images/index', {
      composer: await composer(deps, readerOf(res), values, { draft, shaped: req.query.shaped === 'on' }),
      kept,
      undo,
      shareAgain: req.query.share === 'again',
      putAway: putAwayBy(req.query.away),
      days,
      older,
      history: viewHistory(filter, jobs.length > 0),
      arrivals: cursor || filter.isNarrow ? null : arrivalsAfter(jobs),
      unfinished,
      dismissed: dismissedAt(req.query.dismissed),
      examples: jobs.length === 0 && !filter.isNarrow ? EXAMPLES : [],
    })
  })

  router.post('/images', acceptUploads(uploadLimits), async (req, res) => {
    // A button that only moves a reference about must never pay for a picture.
    if (isRearrangement(req.body)) throw new Refusal(400, 'errors.bad_request')
    const cameAt = performance.now()
    const values = await postedForm(deps, intake, req, res)
    const origin = originOf(req.body)
    const draft = draftFieldOf(req.body)
    const submission = Submission.safeParse(req.body?.submission).data ?? randomUUID()
    const refuse = async (status: number, errors: FieldErrors, told: Doubt['why'][] = []) => {
      // Whoever leaves for another key, or for the account, finds it again.
      await upsertDraft(db, signedIn(res).userId, values, origin)
      await answerRefused(
        req,
        res.status(status),
        await composer(deps, readerOf(res), values, { errors, submission, told, draft }),
      )
    }
    const unknown = unknownField(req, [...formFields, 'file', 'key_id'])
    if (unknown) return refuse(422, { form: pageOf(res).t('errors.unknown_field', { field: unknown }) })
    const checked = checkRequest(values)
    if ('faults' in checked) return refuse(422, wordEach(pageOf(res).t, checked.faults))
    const other = otherKey(req, res)
    const keyRefused = other && (await chooseKeyNamed(deps, res, other))
    if (keyRefused) return refuse(422, { form: pageOf(res).t(keyRefused) })
    // Several prompts in one: counted and priced on a page of their own before anything is made.
    if (countChoices(values.prompt) > 1) {
      await upsertDraft(db, signedIn(res).userId, values, origin)
      if (wantsFragment(req)) return res.set('HX-Redirect', PREVIEW).status(204).end()
      return res.redirect(303, PREVIEW)
    }
    await keepCurrent(deps, res)
    const seen = readTerms(req.body?.terms)
    const edit = await editTerms(deps, accountOf(res), [checked.request])
    const doubts = doubtsAbout(accountOf(res), [checked.request], edit, seen)
    if (doubts.length > 0) return refuse(422, { form: wordDoubts(doubts, pageOf(res).t) }, toldOf(doubts, seen))
    try {
      const once = submissionOf(submission, checked.request)
      const { job, again } = await startImage(deps, requesterOf(res), checked.request, once)
      if (accountOf(res)?.keyWhy) {
        await acceptKey(db, job.userId)
        await reloadViewer(deps, res)
      }
      await answerStarted(req, res, job, again, { values, draft, told: seen?.told ?? [] })
      await keepDraft(deps, job.userId, values, origin, cameAt)
    } catch (error) {
      if (!(error instanceof Refusal) || isForPage(req, error)) throw error
      if (error.retryAfter) res.set('Retry-After', String(error.retryAfter))
      const sentence = pageOf(res).t(error.key, error.params)
      await refuse(isForLater(error) ? error.status : 422, { [isOfBudget(error) ? 'budget' : 'form']: sentence })
    }
  })

  // One cheap question for all unfinished tiles: each tells what it shows, and only what differs is answered; where that
  // is nothing, mostly by `unchangedTiles`.
  router.get('/images/tiles', async (req, res) => {
    const { userId } = signedIn(res)
    const shown = shownBy(req)
    const jobs = await listWaitingById(db, userId, shown.ids)
    const changed = changedOf(shown, jobs, await waitsOf(db, userId, jobs))
    if (changed.length === 0 && jobs.length === shown.ids.length) return res.status(204).end()
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

  /** The key that the form shows, where that is not the chosen one: it was changed without JavaScript, or elsewhere since. */
  function otherKey(req: Request, res: Response): number | null {
    const shown = Number(req.body?.key_id ?? 0)
    return shown && shown !== accountOf(res)?.keyId ? shown : null
  }

  /** Of what waits for a window of the key that has opened before its time. */
  async function letGo(res: Response): Promise<void> {
    const { userId } = signedIn(res)
    const keyId = openKeyOf(accountOf(res))
    if (keyId) await releaseWindow(db, userId, keyId)
  }

  async function answerRefused(req: Request, res: Response, form: ComposerView): Promise<void> {
    if (wantsFragment(req)) {
      return sendFragments(res.status(422), renderView(pageOf(res), 'images/_composer', { composer: form }))
    }
    const { userId } = signedIn(res)
    const filter = readHistory({})
    const jobs = await listHistory(db, userId, { filter, before: null, limit: JOBS_PER_PAGE })
    const { shown, unfinished } = await withUnfinished(userId, jobs)
    const days = byDay(res, shown, null)
    const arrivals = arrivalsAfter(jobs)
    render(res, 'images/index', {
      composer: form,
      kept: [],
      undo: null,
      shareAgain: false,
      putAway: null,
      days,
      older: null,
      history: viewHistory(filter, jobs.length > 0),
      arrivals,
      unfinished,
      dismissed: null,
      examples: jobs.length === 0 ? EXAMPLES : [],
    })
  }

  router.use(jobRoutes(deps))
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
