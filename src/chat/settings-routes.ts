import { type Request, Router } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { parse, readText } from '../web/parse.ts'
import { wantsFragment } from '../web/render.ts'
import { setListOpen, setWishes } from './settings-queries.ts'

export const LONGEST_INSTRUCTIONS = 8_000
export const OnOff = z.object({ value: z.enum(['on', 'off']) })
const OwnSettings = z.object({ ask: z.enum(['on', 'off']) })

/** What a person wants in every conversation. */
export function settingsRoutes({ db }: Deps): Router {
  const router = Router()

  router.post('/chat/settings', async (req, res) => {
    const { userId } = signedIn(res)
    const { ask: wants } = parse(OwnSettings, req.body)
    const instructions = readText(req.body, 'instructions', LONGEST_INSTRUCTIONS)
    await setWishes(db, userId, { instructions, askBeforePaying: wants === 'on' })
    if (wantsFragment(req)) return res.status(204).end()
    res.redirect(303, backOf(req))
  })

  router.post('/chat/list', async (req, res) => {
    const { userId } = signedIn(res)
    await setListOpen(db, userId, parse(OnOff, req.body).value === 'on')
    if (wantsFragment(req)) return res.status(204).end()
    res.redirect(303, backOf(req))
  })

  return router
}

function backOf(req: Request): string {
  const id = z.guid().safeParse(req.body?.back).data
  return id ? `/chat/${id}` : '/chat'
}
