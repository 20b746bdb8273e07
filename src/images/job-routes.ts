import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { keepCurrent } from '../account/current.ts'
import { requesterOf } from '../account/requester.ts'
import { accountOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { findCapability } from '../models/image-models.ts'
import { signedIn } from '../session/guard.ts'
import { rowOf } from '../spend/evidence.ts'
import { decide, lookAtOnce } from '../spend/in-doubt.ts'
import { viewNewest } from '../spend/receipt-view.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId, refuseUnknownFields } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { submissionOf } from '../web/submission.ts'
import { answersOf } from './answers.ts'
import { editTerms } from './edit-terms.ts'
import { cancel } from './ended.ts'
import { findJob, type ImageJob } from './job-queries.ts'
import { viewJobs } from './job-view.ts'
import { moveInLine, moves } from './place.ts'
import { findPreview } from './preview-queries.ts'
import { checkRequest, formOf, type ImageRequest } from './prompt.ts'
import { pictureCalls } from './receipts.ts'
import { payInstead, requestOf, retryImage, startImage } from './start.ts'
import { doubtsAbout, readTerms, toldOf, writeTerms } from './terms.ts'
import { listWaitingById, UNFINISHED_JOBS } from './wait-queries.ts'

const Submission = z.guid()

/** What is done with one job. */
export function jobRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  // The gateway lets a person read its usage rows 60 times a minute.
  const checks = createRateLimit(db, { name: 'check', points: 20, seconds: 60, refusal: 'errors.rate_limited' })
  const { answerStarted, answerTiles } = answersOf(deps)

  router.get('/images/:id', async (req, res) => {
    const job = await myJob(req, res)
    const [shown] = await viewJobs(db, job.userId, [job])
    const isFragment = wantsFragment(req)
    if (isFragment && req.query.t === shown!.tag) return res.status(204).end()
    const receipt = (await viewNewest(db, job.userId, 'picture', [job.id])).get(job.id) ?? null
    if (!isFragment) return render(res, 'images/show', { job: shown!, receipt })
    sendFragments(res, renderView(pageOf(res), 'images/_job_page', { job: shown!, receipt }))
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
    const moved = await payInstead(deps, requesterOf(res), waiting, { byHand: true })
    if (!wantsFragment(req)) return res.redirect(303, `/images/${waiting.id}`)
    await answerTiles(res, [moved ?? (await myJob(req, res))])
  })

  // Among one's own, without a price: nothing else is sent than was asked for.
  router.post('/images/:id/place', async (req, res) => {
    const job = await myJob(req, res)
    const { to } = parse(z.object({ to: z.enum(moves) }), req.body)
    const line = await moveInLine(deps, job, to)
    if (!wantsFragment(req)) return res.redirect(303, `/images#job-${job.id}`)
    const shown = await listWaitingById(db, job.userId, line.slice(0, UNFINISHED_JOBS))
    await answerTiles(res, shown.some(({ id }) => id === job.id) ? shown : [...shown, await myJob(req, res)])
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
    await lookAtOnce(deps, pictureCalls, job.userId, job.id)
    await answerJudged(req, res, job)
  })

  router.post('/images/:id/decide', async (req, res) => {
    const job = await myJob(req, res)
    const isDecided = await decide(deps, pictureCalls, job.userId, job.id, rowOf(req.body))
    if (!isDecided) throw new Refusal(409, 'spend.gone')
    await answerJudged(req, res, job)
  })

  async function answerJudged(req: Request, res: Response, job: ImageJob): Promise<void> {
    if (!wantsFragment(req)) return res.redirect(303, `/images/${job.id}`)
    await answerTiles(res, [await myJob(req, res)])
  }

  async function myJob(req: Request, res: Response): Promise<ImageJob> {
    const job = await findJob(db, signedIn(res).userId, parseId(req.params.id))
    if (!job) throw new Refusal(404, 'errors.not_found')
    return job
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

  return router
}
