import type { Request, Response } from 'express'
import { readerOf, reloadViewer } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { logBegun } from '../web/request-log.ts'
import { composer } from './composer.ts'
import type { ImageJob } from './job-queries.ts'
import { tagOf, viewJobs } from './job-view.ts'
import { waitsOf } from './line.ts'
import type { FormValues } from './prompt.ts'
import type { Terms } from './terms.ts'
import type { JobView, OpenJob } from './view.ts'
import { listUnfinished, UNFINISHED_JOBS } from './wait-queries.ts'

/** Jobs as pages are told of them. */
export function answersOf(deps: Deps) {
  const { db } = deps
  return { answerStarted, answerTiles, withUnfinished }

  async function answerStarted(
    req: Request,
    res: Response,
    job: ImageJob,
    again: boolean,
    form: { values: FormValues; draft: string | undefined; told: Terms['told'] } | null,
    retried: ImageJob | null = null,
  ): Promise<void> {
    logBegun(res, { job: job.id })
    if (!wantsFragment(req)) return res.redirect(303, `/images/${job.id}`)
    const { shown, unfinished } = await withUnfinished(job.userId, retried ? [job, retried] : [job])
    const data = {
      job: shown[0]!,
      again,
      unfinished,
      composer: form && (await composer(deps, readerOf(res), form.values, form)),
      retried: shown[1] ?? null,
    }
    sendFragments(res, renderView(pageOf(res), 'images/_created', data))
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
    const newest = [...jobs, ...open].toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())[0]
    const shown = await viewJobs(db, userId, jobs, waits)
    return { shown: shown.map(job => ({ ...job, isNewest: job.id === newest?.id })), unfinished }
  }
}
