import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { clock } from '../db/clock.ts'
import type { Deps } from '../deps.ts'
import type { Caller, Session } from '../gateway/client.ts'
import { PanelError } from '../gateway/errors.ts'
import type { Secret } from '../secrets/secret.ts'
import { deviceName } from '../session/device.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { listSignIns } from '../session/queries.ts'
import { withAccessToken } from '../session/tokens.ts'
import { Refusal } from '../web/errors.ts'
import { localPath, parse } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { refreshBalance } from './balance.ts'
import { chooseFrom } from './choose.ts'
import { editPreviews, editTokenCost } from './edit-previews.ts'
import {
  chooseKey,
  fetchKeyRing,
  type KeyRing,
  NEW_KEY_NAME,
  syncChosenKey,
  tryKeyRing,
  updateChosenKey,
  viewKeys,
} from './keys.ts'
import * as queries from './queries.ts'
import { chooseTimeZone, noteTimeZone, timeZones, zoneOf } from './time-zone.ts'
import { topUpAddress } from './top-up.ts'
import type { EditPreviewsView, KeysView } from './view.ts'
import { accountOf, reloadViewer } from './viewer.ts'

const ACCOUNT = '/account'
const ChosenKey = z.object({ key_id: z.coerce.number().int() })
const NewKey = z.object({ group_id: z.coerce.number().int().positive() })

/** What the gateway told us at sign-in, kept; and the key remembered from last time, checked. */
export function rememberSignIn(deps: Deps): (session: Session, caller: Caller, timeZone: string) => Promise<void> {
  return async ({ user, tokens }, caller, timeZone) => {
    if (user.balance !== undefined) await queries.upsertBalance(deps.db, user.id, user.balance)
    await noteTimeZone(deps.db, user.id, timeZone)
    try {
      await syncChosenKey(deps, user.id, await fetchKeyRing(deps, caller, tokens.accessToken))
    } catch (error) {
      deps.log.warn({ err: error, user: user.id }, 'the keys could not be read at sign-in')
    }
  }
}

/** Balance, API keys and signed-in browsers of the person. */
export function accountRoutes(deps: Deps): Router {
  const router = Router()
  router.use('/account', requireSignIn(deps))

  router.get('/account', async (req, res) => {
    const { userId, signInId } = signedIn(res)
    const ring = await tryKeyRing(deps, signInId)
    if (ring) {
      await updateChosenKey(deps, { userId, keyId: accountOf(res)?.keyId ?? null }, ring)
      await reloadViewer(deps, res)
    }
    await showAccount(res, viewRing(res, ring, localPath(req.query.next, ACCOUNT)))
  })

  // The gateway's page for that; it is asked for the address only when somebody wants to go there.
  router.get('/account/top-up', async (_req, res) => {
    const settings = await deps.gateway.settings().catch(() => null)
    res.redirect(303, topUpAddress(settings, deps.config.upstream))
  })

  router.post('/account/balance', async (req, res) => {
    const { userId, signInId } = signedIn(res)
    await refreshBalance(deps, userId, signInId)
    await reloadViewer(deps, res)
    if (!wantsFragment(req)) return res.redirect(303, '/account')
    sendFragments(res, renderView(pageOf(res), 'account/_balances', {}))
  })

  router.post('/account/edit-previews', async (req, res) => {
    const { wanted } = parse(z.object({ wanted: z.enum(['yes', 'no']) }), req.body)
    await queries.setEditPreviews(deps.db, signedIn(res).userId, wanted === 'yes')
    res.redirect(303, '/account#edit-previews')
  })

  router.post('/account/advice', async (_req, res) => {
    await queries.unhushAdvice(deps.db, signedIn(res).userId)
    res.redirect(303, '/account#advice')
  })

  router.post('/account/time-zone', async (req, res) => {
    const { time_zone: name } = parse(z.object({ time_zone: z.string().max(100) }), req.body)
    if (!(await chooseTimeZone(deps.db, signedIn(res).userId, name))) throw new Refusal(422, 'account.no_such_zone')
    res.redirect(303, localPath(req.body.next, '/account#time-zone'))
  })

  router.post('/account/key', async (req, res) => {
    const { key_id: keyId } = parse(ChosenKey, req.body)
    const ring = await tryKeyRing(deps, signedIn(res).signInId)
    // Without the gateway the answer is the page that says so.
    const refused = ring && (await chooseFrom(deps, signedIn(res).userId, ring, keyId))
    await answerKeys(req, res, ring, refused && pageOf(res).t(refused))
  })

  router.post('/account/keys', async (req, res) => {
    const { userId, signInId } = signedIn(res)
    const { t } = pageOf(res)
    const wanted = NewKey.safeParse(req.body)
    if (!wanted.success)
      return answerKeys(req, res, await tryKeyRing(deps, signedIn(res).signInId), t('account.group_missing'))
    const { group_id: groupId } = wanted.data
    // One per form shown: the same click twice makes one key.
    const submission = z.guid().safeParse(req.body.submission).data ?? randomUUID()
    const idempotencyKey = `playground-${userId}-${groupId}-${submission}`
    const create = async (token: Secret, caller: Caller) => {
      const key = await deps.gateway.createKey(caller, token, { name: NEW_KEY_NAME, groupId, idempotencyKey })
      const ring = await fetchKeyRing(deps, caller, token)
      await chooseKey(deps, userId, ring, ring.keys.find(known => known.id === key.id) ?? key)
      return ring
    }
    try {
      await answerKeys(req, res, await withAccessToken(deps, signInId, create), null)
    } catch (error) {
      if (!(error instanceof PanelError)) throw error
      // The first of two clicks is still at it, and will choose the key.
      const refused = error.code !== 'IDEMPOTENCY_IN_PROGRESS'
      const sentence = refused ? t('account.create_refused', { detail: error.message }) : null
      await answerKeys(req, res, await tryKeyRing(deps, signedIn(res).signInId), sentence)
    }
  })

  /** Whoever was sent here for a key goes back to what they were at. */
  async function answerKeys(req: Request, res: Response, ring: KeyRing | null, error: string | null): Promise<void> {
    const next = localPath(req.body?.next, ACCOUNT)
    await reloadViewer(deps, res)
    if (error) await showAccount(res.status(422), { ...viewRing(res, ring, next), error })
    else res.redirect(303, ring ? next : ACCOUNT)
  }

  async function showAccount(res: Response, keys: KeysView): Promise<void> {
    const { userId, signInId } = signedIn(res)
    const signIns = (await listSignIns(deps.db, userId)).map(signIn => ({
      id: signIn.id,
      device: deviceName(signIn.userAgent),
      address: signIn.address,
      createdAt: signIn.createdAt,
      lastSeenAt: signIn.lastSeenAt,
      current: signIn.id === signInId,
    }))
    const zone = zoneOf(accountOf(res), pageOf(res).timeZone)
    const days = { zone, zones: timeZones.includes(zone) ? timeZones : [zone, ...timeZones] }
    render(res, 'account/index', {
      keys,
      signIns,
      editPreviews: viewEditPreviews(res),
      days,
      hushed: accountOf(res)?.hushedAdvice.length ?? 0,
      pendingNotice: null,
      asOf: (await clock(deps.db)).toISOString(),
    })
  }

  /** With an example, so that one knows what it may come to. */
  function viewEditPreviews(res: Response): EditPreviewsView {
    const previews = editPreviews(deps.config, accountOf(res))
    const example = { size: '1024x1024', quality: 'high', n: 1, references: 1, previews: previews || 1 }
    const { keyPrices = null, keyState = null } = accountOf(res) ?? {}
    const byTokens = editTokenCost(example) * (keyState?.rate ?? 1)
    return { on: previews > 0, byTokens, byPicture: keyPrices?.['1K'] ?? null }
  }

  return router
}

function viewRing(res: Response, ring: KeyRing | null, next: string): KeysView {
  const form = { submission: randomUUID(), next, error: null }
  if (!ring) return { keys: [], groups: [], ...form, unavailable: true }
  return { ...viewKeys(ring, accountOf(res)?.keyId ?? null, accountOf(res)?.honours), ...form, unavailable: false }
}
