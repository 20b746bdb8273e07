import { type Request, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { keptUnder } from '../session/store.ts'
import type { JobPulse } from './job-queries.ts'
import { isUnfinished, tagOf } from './job-view.ts'
import { placesOf } from './line.ts'
import type { Wait } from './line-queries.ts'
import { listPulses, UNFINISHED_JOBS } from './wait-queries.ts'

const Id = z.guid()

/**
 * A page that polls and has nothing new to see is answered by one statement, ahead of the session and of all that comes
 * with it. Whatever else it may be goes on to the same address of the room.
 */
export function unchangedTiles(deps: Deps): Router {
  const router = Router()
  router.get('/images/tiles', async (req, res, next) => {
    const sid = keptUnder(req, deps.config)
    const shown = shownBy(req)
    if (!sid || shown.ids.length === 0) return next()
    const jobs = await listPulses(deps.db, sid, shown.ids)
    if (jobs.length < shown.ids.length || changedOf(shown, jobs, await placesOf(deps.db, jobs)).length > 0)
      return next()
    res.status(204).end()
  })
  return router
}

interface Shown {
  tags: ReadonlySet<string>
  ids: readonly string[]
}

/** What the unfinished tiles of a page show, each by its tag. */
export function shownBy(req: Request): Shown {
  const tags = new Set([req.query.t ?? []].flat().map(String).slice(0, UNFINISHED_JOBS))
  return { tags, ids: [...tags].map(tag => tag.slice(0, 36)).filter(id => Id.safeParse(id).success) }
}

/** Of these jobs, those that look different by now, or are not to be asked about any more. */
export function changedOf<Job extends JobPulse>(
  { tags }: Shown,
  jobs: readonly Job[],
  waits: ReadonlyMap<string, Wait>,
): Job[] {
  return jobs.filter(job => !tags.has(tagOf(job, waits.get(job.id) ?? null)) || !isUnfinished(job))
}
