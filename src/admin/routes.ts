import { statfs } from 'node:fs/promises'
import { Router } from 'express'
import { z } from 'zod'
import { releaseReplyLeases } from '../chat/admin-queries.ts'
import { stopWaitingAnswers } from '../chat/stop-waiting.ts'
import type { Deps } from '../deps.ts'
import { countOpenReports } from '../gallery/moderation-queries.ts'
import { releaseJobLeases } from '../images/admin-queries.ts'
import { stopWaitingJobs } from '../images/stop-waiting.ts'
import { listActs, recordAct } from '../operators/act-queries.ts'
import { findMaintenance } from '../operators/bulletin-queries.ts'
import { requireOperator } from '../operators/guard.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse } from '../web/parse.ts'
import { render } from '../web/render.ts'
import { listPresences } from '../work/presence-queries.ts'
import { bulletinRoutes } from './bulletin-routes.ts'
import { viewActs, viewLog } from './log.ts'
import { viewMoney } from './money.ts'
import { viewPeople, viewPerson } from './people.ts'
import { viewQueue } from './queue.ts'

const FIRST_SHOWN = 5
const DAY_HOURS = 24
const LONGEST_SEARCH = 200
const Id = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER)
const Hours = z.coerce.number().pipe(z.union([z.literal(1), z.literal(24), z.literal(168), z.literal(720)]))
const Confirmed = z.looseObject({ sure: z.literal('yes') })

/** What whoever runs this place sees of it, and does about it. */
export function adminRoutes(deps: Deps): Router {
  const { db, config, log } = deps
  const router = Router()
  router.use('/admin', requireOperator(deps, ['en', 'zh']))

  router.get('/admin', async (_req, res) => {
    const { bavail, blocks, bsize } = await statfs(config.dataDirectory)
    const { people } = await viewPeople(db, { q: '', by: 'storage', before: '' })
    const overview = {
      maintenance: await findMaintenance(db),
      queue: await viewQueue(deps, DAY_HOURS),
      money: await viewMoney(deps, DAY_HOURS),
      openReports: await countOpenReports(db),
      largest: people.slice(0, FIRST_SHOWN),
      disk: { free: bavail * bsize, size: blocks * bsize },
      processes: await listPresences(db),
      acts: await viewActs(db, await listActs(db, { who: null, before: null, limit: FIRST_SHOWN })),
    }
    render(res, 'admin/index', { overview })
  })

  router.get('/admin/queue', async (req, res) => {
    render(res, 'admin/queue', { queue: await viewQueue(deps, hoursOf(req.query.hours)) })
  })

  router.post('/admin/queue/release', async (req, res) => {
    parse(Confirmed, req.body)
    const { userId } = signedIn(res)
    const { leaseSeconds } = config.worker
    const count = await db.transaction(async tx => {
      const released = (await releaseJobLeases(tx, leaseSeconds)) + (await releaseReplyLeases(tx, leaseSeconds))
      await recordAct(tx, userId, { act: 'release_leases', count: released })
      return released
    })
    log.info({ admin: userId, count }, 'an operator freed what was stuck')
    res.redirect(303, '/admin/queue')
  })

  router.get('/admin/people', async (req, res) => {
    const { q = '', by, before = '' } = req.query
    const wanted = {
      q: typeof q === 'string' ? q.trim().slice(0, LONGEST_SEARCH).toWellFormed() : '',
      by: by === 'storage' ? ('storage' as const) : ('seen' as const),
      before: typeof before === 'string' ? before : '',
    }
    render(res, 'admin/people', { people: await viewPeople(db, wanted) })
  })

  router.get('/admin/people/:id', async (req, res) => {
    const id = idOf(req.params.id)
    const person = id === null ? null : await viewPerson(db, id)
    if (!person) throw new Refusal(404, 'errors.not_found')
    const acts = await viewActs(db, await listActs(db, { who: person.id, before: null, limit: FIRST_SHOWN }))
    render(res, 'admin/person', { person, acts })
  })

  router.post('/admin/people/:id/stop', async (req, res) => {
    parse(Confirmed, req.body)
    const id = idOf(req.params.id)
    const person = id === null ? null : await viewPerson(db, id)
    if (!person) throw new Refusal(404, 'errors.not_found')
    const { userId } = signedIn(res)
    const count = await db.transaction(async tx => {
      const stopped = (await stopWaitingJobs(tx, person.id)) + (await stopWaitingAnswers(tx, person.id))
      await recordAct(tx, userId, { act: 'stop_waiting', userId: person.id, count: stopped })
      return stopped
    })
    log.info({ admin: userId, person: person.id, count }, 'an operator stopped what a person had waiting')
    res.redirect(303, `/admin/people/${person.id}`)
  })

  router.get('/admin/money', async (req, res) => {
    render(res, 'admin/money', { told: await viewMoney(deps, hoursOf(req.query.hours)) })
  })

  router.get('/admin/log', async (req, res) => {
    render(res, 'admin/log', { log: await viewLog(db, idOf(req.query.who), idOf(req.query.before)) })
  })

  router.use(bulletinRoutes(deps))

  return router
}

/** Null for anything that is no number of a row. */
function idOf(value: unknown): number | null {
  return Id.safeParse(value).data ?? null
}

function hoursOf(value: unknown): number {
  return Hours.safeParse(value).data ?? DAY_HOURS
}
