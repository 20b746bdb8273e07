import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { sealBindingKey } from '../account/key.ts'
import { factsOf, type KeyRing, problemOf, tryKeyRing, viewKeys } from '../account/keys.ts'
import type { Deps } from '../deps.ts'
import { claimsLock } from '../images/claim-queries.ts'
import { withdrawJobs } from '../images/job-queries.ts'
import { viewJobs } from '../images/job-view.ts'
import { listJobsOfSshKey } from '../images/ssh-key-queries.ts'
import { defaultModel } from '../models/image-models.ts'
import { deviceName } from '../session/device.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import type { Translate } from '../web/i18n.ts'
import { parseId } from '../web/parse.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { pageOf, render } from '../web/render.ts'
import { characters, isVisible } from '../web/text.ts'
import { inTurn } from '../web/turns.ts'
import { acceptUploads, uploadsOf } from '../web/uploads.ts'
import { wordEach } from '../web/words.ts'
import { checkLimits, formOfLimits, readLimitsForm } from './limits-form.ts'
import { canPay, obstacleOf } from './payer.ts'
import { Problem } from './problem.ts'
import { newProof, PROOF_NAMESPACE, proofCommand, prove, usualFile } from './proof.ts'
import * as queries from './queries.ts'
import { deleteToken, listTokens } from './sign-in-queries.ts'
import { longestKeyText, parsePublicKey, SshKeyError, type SshPublicKey } from './ssh-key.ts'
import { useOf } from './use.ts'
import type { BindForm, PayersView, SshKeyPage, SshKeyView } from './view.ts'

const MOST_KEYS = 50
const RECENT = 8
const SHOWN_TOKENS = 20
const LONGEST_NAME = 60
/** Of what is shown again to be made shorter. */
const LONGEST_NAME_KEPT = 10_000

const TYPED = [
  'name',
  'public_key',
  'signature',
  'pictures_per_day',
  'jobs_at_once',
  'spend_per_day',
  'spend_total',
  'sizes',
]

/** The page on which people bind SSH keys to their API keys, and watch over them. */
export function agentRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  const binds = createRateLimit(db, { name: 'ssh-bind', points: 30, seconds: 60, refusal: 'errors.rate_limited' })
  router.use('/agents', requireSignIn(deps, TYPED))

  router.get('/agents', async (_req, res) => {
    await showList(res, { name: '', publicKey: '', apiKeyId: '', errors: {} })
  })

  router.post('/agents', acceptUploads({ files: 1, bytes: 64 * 1024 }), async (req, res) => {
    const { userId } = signedIn(res)
    await binds.consume(String(userId))
    const form = await readBindForm(req)
    const ring = await tryKeyRing(deps, signedIn(res).signInId)
    const bound = await bind(req, res, form, ring)
    if (bound) return res.redirect(303, `/agents/${bound.id}`)
    await showList(res.status(422), form, ring)
  })

  router.get('/agents/:id', async (req, res) => {
    await showKey(req, res, await myKey(req, res))
  })

  router.post('/agents/:id/prove', async (req, res) => {
    const key = await myKey(req, res)
    // Proved on the command line meanwhile: the page says so.
    if (!key.proofNonce) return res.redirect(303, `/agents/${key.id}`)
    try {
      await prove(deps, key.proofNonce, textOf(req, 'signature', 20_000))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      const proofError = pageOf(res).t(error.key, error.params)
      return showKey(req, res.status(422), await myKey(req, res), { proofError })
    }
    res.redirect(303, `/agents/${key.id}`)
  })

  router.post('/agents/:id/name', async (req, res) => {
    const key = await myKey(req, res)
    const typed = textOf(req, 'name', LONGEST_NAME_KEPT)
    const name = readName(typed)
    if (!name) return showKey(req, res.status(422), key, { name: typed, error: wordName(typed, pageOf(res).t) })
    await queries.renameSshKey(db, key, name)
    res.redirect(303, `/agents/${key.id}`)
  })

  router.post('/agents/:id/key', async (req, res) => {
    const key = await myKey(req, res)
    const payer = payerOf(await tryKeyRing(deps, signedIn(res).signInId), textOf(req, 'key_id', 30), key)
    if (!payer) return showKey(req, res.status(422), key, { error: pageOf(res).t('agents.invalid.api_key') })
    await queries.rebindSshKey(db, key, payer)
    res.redirect(303, `/agents/${key.id}`)
  })

  router.post('/agents/:id/limits', async (req, res) => {
    const key = await myKey(req, res)
    const form = readLimitsForm(req.body)
    const { limits, faults } = checkLimits(form)
    if (!limits)
      return showKey(req, res.status(422), key, { limits: { ...form, errors: wordEach(pageOf(res).t, faults) } })
    await queries.setLimits(db, key, limits)
    res.redirect(303, `/agents/${key.id}`)
  })

  router.post('/agents/:id/tokens/:token/end', async (req, res) => {
    const key = await myKey(req, res)
    if (!(await deleteToken(db, key.id, parseId(req.params.token)))) throw new Refusal(404, 'errors.not_found')
    res.redirect(303, `/agents/${key.id}`)
  })

  router.post('/agents/:id/revoke', async (req, res) => {
    const { userId, id } = await myKey(req, res)
    await inTurn(db, claimsLock, { userId }, async tx => {
      await queries.revokeSshKey(tx, userId, id)
      await withdrawJobs(tx, userId, { sshKeyId: id })
    })
    res.redirect(303, '/agents')
  })

  return router

  async function myKey(req: Request, res: Response): Promise<queries.SshKey> {
    const key = await queries.findSshKey(db, signedIn(res).userId, parseId(req.params.id))
    if (!key) throw new Refusal(404, 'errors.not_found')
    return key
  }

  /** Null with the errors in `form`. */
  async function bind(req: Request, res: Response, form: BindForm, ring: KeyRing | null) {
    const { userId, email } = signedIn(res)
    const { t } = pageOf(res)
    const id = randomUUID()
    const name = readName(form.name)
    const key = readKey(form, res)
    const payer = payerOf(ring, form.apiKeyId, { id, userId })
    if (!name) form.errors.name = wordName(form.name, t)
    if (!payer) form.errors.apiKey = t(ring ? 'agents.invalid.api_key' : 'agents.keys_unavailable')
    if (!name || !payer || !key) return null
    if ((await queries.listSshKeys(db, userId)).length >= MOST_KEYS) {
      form.errors.publicKey = t('agents.invalid.too_many', { limit: MOST_KEYS })
      return null
    }
    const { nonce, text } = newProof(originOf(req), email, key)
    const { type, blob, fingerprint } = key
    const facts = { id, userId, name, type, blob, fingerprint, key: payer, proofNonce: nonce, proofText: text }
    const bound = await queries.insertSshKey(db, facts)
    if (!bound) form.errors.publicKey = t('agents.invalid.bound_already')
    return bound
  }

  /** The chosen API key, sealed for this SSH key; null when it is not one that can pay. */
  function payerOf(
    ring: KeyRing | null,
    keyId: string,
    owner: { id: string; userId: number },
  ): queries.BoundKey | null {
    const chosen = ring?.keys.find(key => String(key.id) === keyId)
    if (!ring || !chosen || problemOf(ring, chosen)) return null
    return { ...factsOf(ring, chosen), sealed: sealBindingKey(deps, owner.userId, owner.id, chosen.key) }
  }

  async function showList(res: Response, form: BindForm, known?: KeyRing | null): Promise<void> {
    const ring = known === undefined ? await tryKeyRing(deps, signedIn(res).signInId) : known
    const keys = await queries.listSshKeys(db, signedIn(res).userId)
    render(res, 'agents/index', { keys: keys.map(key => viewSshKey(key, ring)), form, payers: viewPayers(ring) })
  }

  async function showKey(
    req: Request,
    res: Response,
    key: queries.SshKey,
    changed: { proofError?: string; name?: string; error?: string; limits?: SshKeyPage['limits'] } = {},
  ): Promise<void> {
    const [ring, tokens, jobs, used] = await Promise.all([
      tryKeyRing(deps, signedIn(res).signInId),
      listTokens(db, key, SHOWN_TOKENS),
      listJobsOfSshKey(db, key.userId, key.id, { states: null, before: null, limit: RECENT }),
      useOf(db, key.id),
    ])
    const origin = originOf(req)
    render(res, 'agents/show', {
      key: viewSshKey({ ...key, tokens: tokens.length }, ring),
      name: changed.name ?? key.name,
      proof:
        key.proofNonce && key.proofText
          ? {
              text: key.proofText,
              namespace: PROOF_NAMESPACE,
              command: proofCommand(origin, key.type, key.proofText, key.proofNonce),
              error: changed.proofError ?? null,
            }
          : null,
      payers: viewPayers(ring),
      limits: changed.limits ?? formOfLimits(key),
      qualities: defaultModel.qualities,
      used: { pictures: used.picturesToday, spent: used.spentToday, total: used.spentTotal },
      tokens: tokens.map(({ id, address, userAgent, createdAt, expiresAt }) => ({
        id,
        address,
        device: deviceName(userAgent),
        createdAt,
        expiresAt,
      })),
      jobs: await viewJobs(db, key.userId, jobs),
      quickStart: quickStart(origin, key.type),
      error: changed.error ?? (canPay(deps, key) ? null : pageOf(res).t('agents.key_lost')),
    })
  }

  /** Where this site is reached: what people and scripts are told. */
  function originOf(req: Request): string {
    return deps.config.publicOrigin ?? URL.parse(`${req.protocol}://${req.get('Host')}`)?.origin ?? ''
  }
}

async function readBindForm(req: Request): Promise<BindForm> {
  const [upload] = uploadsOf(req, 'file')
  const uploaded = upload?.file ? (await readFile(upload.file, 'utf8')).trim() : ''
  return {
    name: textOf(req, 'name', LONGEST_NAME_KEPT),
    publicKey: uploaded || textOf(req, 'public_key', longestKeyText + 1),
    apiKeyId: textOf(req, 'key_id', 30),
    errors: {},
  }
}

/** Null with the error in `form`. A private key is not sent back to the page. */
function readKey(form: BindForm, res: Response): SshPublicKey | null {
  try {
    return parsePublicKey(form.publicKey)
  } catch (error) {
    if (!(error instanceof SshKeyError)) throw error
    form.errors.publicKey = pageOf(res).t(`agents.key_problem.${error.problem}`, { limit: longestKeyText })
    if (error.problem === 'private_key' || error.problem === 'putty_file') form.publicKey = ''
    return null
  }
}

function readName(text: string): string | null {
  const name = text.replaceAll(/\p{C}/gu, '').trim()
  return isVisible(name) && characters(name) <= LONGEST_NAME ? name : null
}

function wordName(text: string, t: Translate): string {
  const count = characters(text.trim())
  return count > LONGEST_NAME ? t('errors.too_long', { count, limit: LONGEST_NAME }) : t('agents.invalid.name')
}

function textOf(req: Request, name: string, most: number): string {
  return (z.string().safeParse(req.body?.[name]).data ?? '').slice(0, most)
}

function viewPayers(ring: KeyRing | null): PayersView {
  return { keys: ring ? viewKeys(ring, null).keys.filter(key => !key.problem) : [], unavailable: !ring }
}

function viewSshKey(key: queries.SshKey & { tokens: number }, ring: KeyRing | null): SshKeyView {
  const { id, name, type, fingerprint, createdAt, lastUsedAt, tokens } = key
  const proved = key.provedAt !== null
  return {
    id,
    name,
    type,
    fingerprint,
    apiKeyId: key.keyId,
    apiKeyName: key.keyName,
    proved,
    createdAt,
    lastUsedAt,
    tokens,
    obstacle: obstacleOf(key, ring),
  }
}

function quickStart(origin: string, type: string): string {
  return [
    `export SUB2API_PLAYGROUND_URL=${origin}`,
    `export SUB2API_SSH_KEY=${usualFile(type)}`,
    `python3 skills/sub2api-image/scripts/create_image_task.py --prompt 'A lighthouse at dawn' --output pictures/`,
  ].join('\n')
}
