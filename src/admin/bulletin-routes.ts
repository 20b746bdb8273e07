import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { tallyReplies } from '../chat/admin-queries.ts'
import type { Deps } from '../deps.ts'
import { tallyJobs } from '../images/admin-queries.ts'
import { recordAct } from '../operators/act-queries.ts'
import * as bulletin from '../operators/bulletin-queries.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId, readText } from '../web/parse.ts'
import { pageOf, render } from '../web/render.ts'
import type { BulletinView } from './view.ts'

const ANNOUNCEMENTS_SHOWN = 30
const LONGEST = 500
const Moment = z.union([z.literal(''), z.iso.datetime({ local: true, offset: false })]).catch('never')
const Announced = z.looseObject({ id: z.guid() })

/** What operators tell everybody, and whether anything new is begun. Behind `requireOperator`. */
export function bulletinRoutes(deps: Deps): Router {
  const { db, log } = deps
  const router = Router()

  router.get('/admin/bulletin', async (_req, res) => show(res, {}))

  router.post('/admin/bulletin/announcements', async (req, res) => {
    const { id } = parse(Announced, req.body)
    const [en, zh] = [readText(req.body, 'en', LONGEST), readText(req.body, 'zh', LONGEST)]
    const when = { from: momentOf(req, 'from'), until: momentOf(req, 'until') }
    const { t, timeZone: zone } = pageOf(res)
    const again = (error: string) => show(res.status(422), { id, en, zh, ...when, error })
    if (!en && !zh) return again(t('operators.announcement.empty'))
    if (when.from === 'never' || when.until === 'never') return again(t('operators.announcement.no_time'))
    const { userId } = signedIn(res)
    const outcome = await db.transaction(async tx => {
      const made = await bulletin.insertAnnouncement(tx, { id, en, zh }, { ...when, zone })
      if (made === 'new') await recordAct(tx, userId, { act: 'announce', subject: id })
      return made
    })
    if (outcome === 'over') return again(t('operators.announcement.over'))
    res.redirect(303, '/admin/bulletin')
  })

  router.post('/admin/bulletin/announcements/:id/withdraw', async (req, res) => {
    const id = parseId(req.params.id)
    const { userId } = signedIn(res)
    await db.transaction(async tx => {
      if (await bulletin.withdrawAnnouncement(tx, id)) {
        await recordAct(tx, userId, { act: 'withdraw_announcement', subject: id })
      }
    })
    res.redirect(303, '/admin/bulletin')
  })

  router.post('/admin/bulletin/maintenance', async (req, res) => {
    const { did } = parse(z.looseObject({ did: z.enum(['begin', 'end']) }), req.body)
    const { userId } = signedIn(res)
    const until = did === 'begin' ? momentOf(req, 'until') : null
    if (until === 'never') throw new Refusal(422, 'operators.announcement.no_time')
    await db.transaction(async tx => {
      if (did === 'begin') {
        await bulletin.beginMaintenance(tx, { until, zone: pageOf(res).timeZone })
        await recordAct(tx, userId, { act: 'begin_maintenance' })
      } else if (await bulletin.endMaintenance(tx)) {
        await recordAct(tx, userId, { act: 'end_maintenance' })
      }
    })
    log.info({ admin: userId, did }, 'an operator changed maintenance')
    res.redirect(303, '/admin/bulletin')
  })

  /** `form`: what was typed, where it was not taken. */
  async function show(res: Response, form: Partial<BulletinView['form']>): Promise<void> {
    const [maintenance, announcements, pictures, answers] = await Promise.all([
      bulletin.findMaintenance(db),
      bulletin.listAnnouncements(db, ANNOUNCEMENTS_SHOWN),
      tallyJobs(db),
      tallyReplies(db),
    ])
    const now = new Date()
    const empty = { id: randomUUID(), en: '', zh: '', from: null, until: null, error: null }
    const view: BulletinView = {
      zone: pageOf(res).timeZone,
      maintenance,
      pictures,
      answers,
      announcements: announcements.map(each => ({
        ...each,
        state:
          each.withdrawnAt || (each.endsAt && each.endsAt <= now) ? 'over' : each.startsAt > now ? 'planned' : 'told',
      })),
      form: { ...empty, ...form },
    }
    render(res, 'admin/bulletin', { told: view })
  }

  return router
}

/** As a form writes it; null where it is left empty, `never` for what is no moment. */
function momentOf(req: Request, name: string): string | null {
  const written = Moment.parse((req.body as Record<string, unknown> | undefined)?.[name] ?? '')
  return written === '' ? null : written
}
