import { randomUUID } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { findAccount } from '../account/queries.ts'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { cancel } from '../images/ended.ts'
import { findJob, findJobBySubmission, type ImageJob } from '../images/job-queries.ts'
import { listJobsOfSshKey } from '../images/ssh-key-queries.ts'
import { startImage } from '../images/start.ts'
import { findFile, type StoredFile } from '../library/file-queries.ts'
import { fileLimit } from '../library/intake.ts'
import type { Picture } from '../library/queries.ts'
import { fileName, originalBytes, sendStored, shownBytes } from '../library/send.ts'
import { sendThumbnail } from '../library/unseen.ts'
import { callerOf } from '../session/caller.ts'
import { networkOf } from '../web/network.ts'
import { cursorOf, parseCursor } from '../web/paging.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import { logBegun } from '../web/request-log.ts'
import { derivedSubmission } from '../web/submission.ts'
import { goneSignal } from '../web/turns.ts'
import { say } from '../web/words.ts'
import { jsonErrors, jsonOnly, noSuchRoute, onlyMethods, succeed, wordsFor } from './answers.ts'
import { readText, type TaskBody, withTaskBody } from './body.ts'
import { libraryApi } from './library-api.ts'
import { admit, checkSettings } from './limits.ts'
import { openApi } from './openapi.ts'
import { withCurrentPrices } from './payer.ts'
import { badField, Problem } from './problem.ts'
import { prove } from './proof.ts'
import { readJson } from './read-json.ts'
import { ChallengeRequest, LoginRequest, PictureQuery, TasksQuery } from './schemas.ts'
import { CHALLENGE_SECONDS, createChallenge, findBearerOf, NAMESPACE, signInWithKey, TOKEN_SECONDS } from './sign-in.ts'
import { type Bearer, deleteToken } from './sign-in-queries.ts'
import { longestSignatureText } from './signature.ts'
import { longestKeyText, parsePublicKey, SshKeyError, type SshPublicKey } from './ssh-key.ts'
import { insertTask, listTasks } from './task-queries.ts'
import { badShape, keepPictures, readPayload, readRequest } from './task-request.ts'
import { findTaskPicture, statesOf, statusOf, viewTasks } from './task-view.ts'
import { type Use, useOf } from './use.ts'
import { warningsOf } from './warnings.ts'

const STARTS_PER_MINUTE = 300

/**
 * What scripts and AI agents speak: JSON whatever happens, signed in with an SSH key. Stands before everything that
 * knows cookies, so that a browser's sign-in is worth nothing here.
 */
export function agentApi(deps: Deps): Router {
  const { db, config } = deps
  const limit = (name: string, points: number) =>
    createRateLimit(db, { name, points, seconds: 60, refusal: 'errors.rate_limited' })
  const perMinute = config.limits.signInsPerMinute
  // Of challenges not by key: whoever knows a public key could keep its owner out.
  const challenges = limit('ssh-challenge', perMinute)
  const logins = limit('ssh-login', perMinute)
  const loginsOfKey = limit('ssh-login-key', perMinute)
  const proofs = limit('ssh-proof', perMinute)
  const starts = limit('ssh-task', STARTS_PER_MINUTE)
  const uploads = fileLimit(db)

  const api = Router()
  api.use(jsonOnly)

  api.get('/openapi.json', (_req, res) => void res.json(openApi(config.publicOrigin)))
  api.all('/openapi.json', onlyMethods('GET', 'HEAD'))

  api.post('/ssh/challenge', async (req, res) => {
    await challenges.consume(networkOf(callerOf(req).address))
    const { public_key: publicKey } = await readJson(req, ChallengeRequest)
    const key = readKey(publicKey)
    const { id, message } = await createChallenge(deps, key)
    const { fingerprint } = key
    succeed(res, { challenge_id: id, fingerprint, namespace: NAMESPACE, message, expires_in: CHALLENGE_SECONDS })
  })
  api.all('/ssh/challenge', onlyMethods('POST'))

  api.post('/ssh/login', async (req, res) => {
    const caller = callerOf(req)
    await logins.consume(networkOf(caller.address))
    const { public_key: publicKey, challenge_id: challengeId, signature } = await readJson(req, LoginRequest)
    const key = readKey(publicKey)
    if (signature.trim() === '' || signature.length > longestSignatureText) {
      throw badField('signature', say('agents.invalid.signature'))
    }
    // Those who hold the key and those who only know it use up a limit each: nobody is kept out by the others.
    const count = (isHolder: boolean) => loginsOfKey.consume(`${key.fingerprint} ${isHolder ? 'held' : 'known'}`)
    const { token, sshKey } = await signInWithKey(deps, { key, challengeId, signature, caller, count })
    succeed(res, {
      access_token: token.reveal(),
      token_type: 'Bearer',
      expires_in: TOKEN_SECONDS,
      user: { id: sshKey.userId },
      ssh_key: { id: sshKey.id, name: sshKey.name, fingerprint: key.fingerprint },
    })
  })
  api.all('/ssh/login', onlyMethods('POST'))

  // The one-time address of a binding: whoever holds the key sends the signature, signed in or not.
  api.post('/ssh/proofs/:nonce', async (req, res) => {
    await proofs.consume(networkOf(callerOf(req).address))
    const signature = await readText(req, longestSignatureText)
    const sshKey = await prove(deps, String(req.params.nonce), signature)
    succeed(res, {
      message: wordsFor(req)('agents.proof.done', { name: sshKey.name }),
      fingerprint: sshKey.fingerprint,
    })
  })
  api.all('/ssh/proofs/:nonce', onlyMethods('POST'))

  api.post('/ssh/tasks', async (req, res) => {
    const bearer = await bearerOf(req)
    const idempotencyKey = readIdempotencyKey(req)
    await starts.consume(bearer.id)
    const job = await withTaskBody(req, body => startTask(bearer, body, idempotencyKey, req, res))
    const t = wordsFor(req)
    const warnings = await warningsOf(deps, job, t)
    succeed(res, { task_id: job.id, status: statusOf(job), message: t('agents.created'), warnings }, 202)
  })
  api.get('/ssh/tasks', async (req, res) => {
    const bearer = await bearerOf(req)
    const query = TasksQuery.safeParse(req.query)
    if (!query.success) throw badShape(query.error)
    const { status, limit: count, cursor } = query.data
    const before = cursor === undefined ? null : parseCursor(cursor)
    if (cursor !== undefined && !before) throw badField('cursor', say('agents.invalid.field', { field: 'cursor' }))
    const states = status ? statesOf(status) : null
    const jobs = await listJobsOfSshKey(db, bearer.userId, bearer.id, { states, before, limit: count + 1 })
    const shown = jobs.slice(0, count)
    const last = jobs.length > count ? shown.at(-1) : undefined
    const next = last ? cursorOf(last.createdAt, last.id) : null
    succeed(res, { tasks: await viewTasks(deps, bearer, shown, wordsFor(req)), next_cursor: next })
  })
  api.all('/ssh/tasks', onlyMethods('GET', 'HEAD', 'POST'))

  api.get('/ssh/tasks/:id', async (req, res) => {
    const bearer = await bearerOf(req)
    await answerTask(req, res, bearer, await taskOf(req, bearer))
  })
  api.all('/ssh/tasks/:id', onlyMethods('GET', 'HEAD'))

  api.post('/ssh/tasks/:id/cancel', async (req, res) => {
    const bearer = await bearerOf(req)
    const job = await taskOf(req, bearer)
    // Null: it has ended already, and the answer says how.
    await answerTask(req, res, bearer, (await cancel(deps, job)) ?? (await taskOf(req, bearer)))
  })
  api.all('/ssh/tasks/:id/cancel', onlyMethods('POST'))

  api.get('/ssh/tasks/:id/download', async (req, res) => {
    const { picture, file } = await pictureOf(req)
    const asItCame = req.query.original === '1' ? file.originalFormat : null
    const name = { number: picture.position + 1, condition: picture.condition, format: asItCame ?? file.format }
    const saveAs = fileName(picture.prompt, name)
    await sendStored(deps, req, res, asItCame ? originalBytes(file, saveAs) : shownBytes(file, { saveAs }))
  })
  api.all('/ssh/tasks/:id/download', onlyMethods('GET', 'HEAD'))

  api.get('/ssh/tasks/:id/thumbnail', async (req, res) => {
    const { file } = await pictureOf(req)
    await sendThumbnail(deps, req, res, file)
  })
  api.all('/ssh/tasks/:id/thumbnail', onlyMethods('GET', 'HEAD'))

  api.get('/ssh/me', async (req, res) => {
    const bearer = await bearerOf(req)
    const [account, used] = await Promise.all([findAccount(db, bearer.userId), useOf(db, bearer.id)])
    succeed(res, viewMe(bearer, account?.balance ?? null, used))
  })
  api.all('/ssh/me', onlyMethods('GET', 'HEAD'))

  api.post('/ssh/logout', async (req, res) => {
    const bearer = await bearerOf(req)
    await deleteToken(db, bearer.id, bearer.tokenId)
    succeed(res, { message: wordsFor(req)('agents.signed_out') })
  })
  api.all('/ssh/logout', onlyMethods('POST'))

  api.use(libraryApi(deps, bearerOf))

  api.use('/ssh', noSuchRoute)
  api.use(jsonErrors(deps.log))
  return api

  async function startTask(
    bearer: Bearer,
    { content, files, hash }: TaskBody,
    idempotencyKey: string | null,
    req: Request,
    res: Response,
  ): Promise<ImageJob> {
    const submission = idempotencyKey
      ? derivedSubmission(`task of ${bearer.id} ${idempotencyKey}`)
      : derivedSubmission(randomUUID())
    const known = await findJobBySubmission(db, bearer.userId, submission)
    if (known) return sameTask(bearer, known, hash)
    const payload = readPayload(content)
    const settings = readRequest(payload)
    checkSettings(bearer, settings)
    if (files.length > 0) await uploads.consume(String(bearer.userId), files.length)
    const request = { ...settings, ...(await keepPictures(deps, bearer.userId, payload, files)) }
    const conversationId = payload.conversation_id?.replaceAll('\0', '').slice(0, 200) ?? null
    const requester = {
      userId: bearer.userId,
      signInId: null,
      caller: callerOf(req),
      account: await withCurrentPrices(deps, bearer),
      sshKey: { id: bearer.id, name: bearer.name },
      gone: goneSignal(res),
      async admit(tx: Db, job: { id: string; request: typeof request; estimate: number | null }) {
        await admit(tx, bearer.id, job)
        await insertTask(tx, { jobId: job.id, sshKeyId: bearer.id, bodyHash: hash, conversationId })
      },
    }
    const { job, again } = await startImage(deps, requester, request, submission)
    logBegun(res, { job: job.id })
    return again ? sameTask(bearer, job, hash) : job
  }

  /** The same `Idempotency-Key` must come with the same body. */
  async function sameTask(bearer: Bearer, job: ImageJob, hash: Buffer): Promise<ImageJob> {
    const [task] = await listTasks(db, bearer.id, [job.id])
    if (!task?.bodyHash.equals(hash)) throw new Problem(409, 'idempotency_conflict', 'agents.idempotency_conflict')
    return job
  }

  async function answerTask(req: Request, res: Response, bearer: Bearer, job: ImageJob): Promise<void> {
    const [task] = await viewTasks(deps, bearer, [job], wordsFor(req))
    succeed(res, task!)
  }

  async function bearerOf(req: Request): Promise<Bearer> {
    const bearer = await findBearerOf(deps, req.get('Authorization'))
    if (!bearer) throw new Problem(401, 'token_not_valid', 'agents.token_not_valid')
    return bearer
  }

  async function taskOf(req: Request, bearer: Bearer): Promise<ImageJob> {
    const id = z.guid().safeParse(req.params.id)
    const job = id.success ? await findJob(db, bearer.userId, id.data) : null
    if (job?.sshKeyId !== bearer.id) throw new Problem(404, 'not_found', 'agents.task_not_found')
    return job
  }

  /** The one with the number `index` of a task that is over. */
  async function pictureOf(req: Request): Promise<{ picture: Picture; file: StoredFile }> {
    const job = await taskOf(req, await bearerOf(req))
    const { index } = PictureQuery.safeParse(req.query).data ?? { index: -1 }
    const picture = job.finishedAt ? await findTaskPicture(db, job, index) : null
    const file = picture && (await findFile(db, job.userId, picture.token))
    if (file) return { picture, file }
    if (job.state !== 'done') throw new Problem(409, 'not_completed', 'agents.not_completed')
    throw new Problem(404, 'not_found', 'agents.image_not_found')
  }
}

function readKey(text: string): SshPublicKey {
  try {
    return parsePublicKey(text)
  } catch (error) {
    if (!(error instanceof SshKeyError)) throw error
    throw badField('public_key', say(`agents.key_problem.${error.problem}`, { limit: longestKeyText }))
  }
}

function readIdempotencyKey(req: Request): string | null {
  const given = req.get('Idempotency-Key')
  if (given === undefined) return null
  if (/^[\x20-\x7e]{1,128}$/.test(given)) return given
  throw new Problem(400, 'invalid_request', 'agents.invalid.idempotency_key')
}

function viewMe(bearer: Bearer, balance: number | null, used: Use) {
  return {
    user: { id: bearer.userId, email: bearer.email, name: bearer.userName },
    balance,
    ssh_key: { id: bearer.id, name: bearer.name, type: bearer.type, fingerprint: bearer.fingerprint },
    api_key: { name: bearer.keyName, group: bearer.keyGroup, allows_images: bearer.keyAllowsImages },
    limits: {
      pictures_per_day: bearer.picturesPerDay,
      jobs_at_once: bearer.jobsAtOnce,
      sizes: bearer.sizes,
      qualities: bearer.qualities,
      spend_per_day: bearer.spendPerDay,
      spend_total: bearer.spendTotal,
    },
    used: {
      pictures_today: used.picturesToday,
      unfinished: used.unfinished,
      spent_today: used.spentToday,
      spent_total: used.spentTotal,
    },
  }
}
