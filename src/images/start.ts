import { randomUUID } from 'node:crypto'
import { isCurrent } from '../account/current.ts'
import { sealBindingKeyForJob, sealKeyForJob } from '../account/key.ts'
import { type Payer, type Requester, usableKey } from '../account/requester.ts'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { listFiles } from '../library/file-queries.ts'
import { ensureUploadedPicture } from '../library/queries.ts'
import { refuseBeyond } from '../library/storage-limit.ts'
import { admitSpending, type MayCost } from '../spend/budgets.ts'
import { Refusal } from '../web/errors.ts'
import { derivedSubmission } from '../web/submission.ts'
import { inTurn } from '../web/turns.ts'
import { type EditTerms, editTerms } from './edit-terms.ts'
import { estimateOf } from './estimate.ts'
import { changeKey, findJob, findJobBySubmission, type ImageJob } from './job-queries.ts'
import { findMask } from './mask-queries.ts'
import type { ImageRequest } from './prompt.ts'
import { findStanding, insertJob, startsLock } from './start-queries.ts'

const STARTS_PER_MINUTE = 300

/** `admit` runs in the transaction that puts a job into the queue, and throws when it may not be there. */
export type ImageRequester = Requester & {
  admit?(tx: Db, job: { id: string; request: ImageRequest; estimate: number | null }): Promise<void>
}

export interface Started {
  job: ImageJob
  /** This submission had made its job before. */
  again: boolean
}

/**
 * Puts a job into the queue: row and message commit together. The same `submission` (a UUID) makes the same job, however
 * often it comes. `form`: key of the button that asked again. Throws `Refusal` 409 without a usable key, 429 when too
 * many of the user's jobs wait, and 503 when too much is asked at once.
 */
export async function startImage(
  deps: Pick<Deps, 'db' | 'sealer' | 'storage' | 'config'>,
  requester: ImageRequester,
  request: ImageRequest,
  submission: string,
  form: string | null = null,
): Promise<Started> {
  try {
    const { enqueue } = await prepare(deps, requester, [request])
    const queue: Enqueue = (tx, asked, once) => enqueue(tx, asked, once, { form })
    return await inTurn(deps.db, startsLock, requester, tx =>
      startInTurn(deps, tx, queue, requester, request, submission),
    )
  } catch (error) {
    // Sent again: it has begun, whatever would stand in its way by now.
    const known = error instanceof Refusal && (await findJobBySubmission(deps.db, requester.userId, submission))
    if (!known) throw error
    return { job: known, again: true }
  }
}

/** The same within a turn of the starts, on its transaction: what else is done there commits with it. */
export async function startInTurn(
  { config }: Pick<Deps, 'config'>,
  tx: Db,
  queue: Enqueue,
  { userId, sshKey }: Pick<Requester, 'userId' | 'sshKey'>,
  request: ImageRequest,
  submission: string,
): Promise<Started> {
  const limit = config.limits.queuedPerUser
  const { twin, queued, lately, lateSeconds, bytesUsed } = await findStanding(tx, userId, submission)
  const known = twin && (await findJob(tx, userId, twin))
  if (known) return { job: known, again: true }
  if (!sshKey && lately >= STARTS_PER_MINUTE) {
    const seconds = Math.max(1, Math.ceil(60 - lateSeconds))
    throw new Refusal(429, 'errors.rate_limited', { seconds }, seconds)
  }
  refuseBeyond({ config }, bytesUsed)
  if (queued >= limit) throw new Refusal(429, 'images.too_many_queued', { limit }, 30)
  return { job: await queue(tx, request, submission), again: false }
}

/** Puts one job into the queue, in the caller's transaction, under the lock of the user's starts. */
type Enqueue = (
  tx: Db,
  request: ImageRequest,
  submission: string,
  from?:
    | { batch: { id: string; line: number } }
    | { form: string | null }
    | { conversation: { id: string; title: string } },
) => Promise<ImageJob>

/** What was checked before any job is made. */
interface Prepared {
  enqueue: Enqueue
  /** Whether the budgets allow all lines of a batch, before the first of them is put into the queue. Throws `Refusal`. */
  admitBatch(tx: Db, requests: readonly ImageRequest[]): Promise<void>
}

/** Checks what can be checked before any job is made. Throws `Refusal`. */
export async function prepare(
  deps: Pick<Deps, 'db' | 'sealer' | 'storage' | 'config'>,
  requester: ImageRequester,
  requests: readonly ImageRequest[],
): Promise<Prepared> {
  const { userId, account, signInId, sshKey = null, caller } = requester
  if (!deps.storage.isProven()) throw new Refusal(503, 'images.blocked.no_store', {}, 10)
  const { keySecret: chosen, ...key } = usableKey(account, 'pictures')
  const { keyId } = key
  for (const request of requests) await checkReferences(deps.db, userId, request)
  const edit = await editTerms(deps, { userId, keyId }, requests)
  const spending = { userId, byHand: sshKey === null }

  const enqueue: Enqueue = async (tx, request, submission, from) => {
    const id = randomUUID()
    const keySecret = sshKey
      ? sealBindingKeyForJob(deps, userId, id, sshKey.id, chosen)
      : sealKeyForJob(deps, userId, id, chosen)
    const price = priceOf(account, request, edit)
    await requester.admit?.(tx, { id, request, estimate: price.estimate })
    const isLine = from !== undefined && 'batch' in from
    const conversationId = from && 'conversation' in from ? from.conversation.id : null
    if (!isLine) await admitSpending(deps, tx, { ...spending, calls: [mayCost(price)], conversationId })
    const job = await insertJob(tx, {
      id,
      userId,
      submission,
      signInId,
      request,
      ...key,
      keySecret,
      caller,
      sshKey,
      ...price,
      prices: account?.keyPrices ?? null,
      batch: from && 'batch' in from ? from.batch : null,
      conversation: from && 'conversation' in from ? from.conversation : null,
      form: from && 'form' in from ? from.form : null,
    })
    for (const token of request.references) await ensureUploadedPicture(tx, userId, token)
    return job
  }

  return {
    enqueue,
    admitBatch(tx, lines) {
      const calls = lines.map(request => mayCost(priceOf(account, request, edit)))
      return admitSpending(deps, tx, { ...spending, calls, isBatch: true })
    },
  }
}

/**
 * The same request as a job that ended, as a new job. A second click, here or in another tab, finds the first one's job
 * as long as that has not ended badly too; one of the same `form` finds it however it ended.
 */
export async function retryImage(
  deps: Pick<Deps, 'db' | 'sealer' | 'storage' | 'config'>,
  requester: ImageRequester,
  ended: ImageJob,
  form: string | null,
): Promise<Started> {
  // Not ended after all: there is nothing to try again.
  if (ended.state === 'queued' || ended.state === 'running') return { job: ended, again: true }
  let last = ended
  for (;;) {
    const submission = derivedSubmission(`retry of ${last.id}`)
    const again = await findJobBySubmission(deps.db, requester.userId, submission)
    if (!again) return startImage(deps, requester, requestOf(last), submission, form)
    const isAsked = form !== null && again.form === form
    if (isAsked || ['queued', 'running', 'done'].includes(again.state)) return { job: again, again: true }
    last = again
  }
}

/**
 * A job that waits for its key is paid with the requester's key instead, at once. Null when it does not wait any more, or,
 * where nobody has pressed a button, would cost more than was told. Throws `Refusal` 409 without a usable key.
 */
export async function payInstead(
  deps: Pick<Deps, 'db' | 'sealer' | 'config'>,
  { userId, account }: Pick<Requester, 'userId' | 'account'>,
  job: ImageJob,
  { byHand }: { byHand: boolean },
): Promise<ImageJob | null> {
  const { keySecret: chosen, ...key } = usableKey(account, 'pictures')
  const request = requestOf(job)
  const price = priceOf(account, request, await editTerms(deps, { userId, keyId: key.keyId }, [request]))
  if (!byHand && (price.estimate ?? Number.POSITIVE_INFINITY) > (job.estimate ?? 0)) return null
  const dearer = mayCost(price).usd - mayCost(job).usd
  return deps.db.transaction(async tx => {
    if (dearer > 0) {
      const calls = [{ usd: dearer, isBounded: price.dearest !== null }]
      const spending = { userId, calls, conversationId: job.conversationId, byHand, follows: true }
      await admitSpending(deps, tx, spending)
    }
    const keySecret = sealKeyForJob(deps, userId, job.id, chosen)
    return changeKey(tx, job, { ...key, keySecret, ...price, prices: account?.keyPrices ?? null })
  })
}

/** Every reference is a file of this person, and the mask as large as the first of them. Throws `Refusal` 422. */
async function checkReferences(db: Db, userId: number, request: ImageRequest): Promise<void> {
  const { references, maskId } = request
  if (references.length === 0) return
  const files = await listFiles(db, userId, references)
  if (files.length < references.length) throw new Refusal(422, 'images.invalid.reference_gone')
  if (!maskId) return
  const mask = await findMask(db, userId, maskId)
  if (!mask) throw new Refusal(422, 'images.invalid.mask_gone')
  const { width, height } = files[0]!
  if (mask.width !== width || mask.height !== height) {
    throw new Refusal(422, 'images.invalid.mask_size', { size: `${width} × ${height}` })
  }
}

/** What is told of the price of the whole job, in US dollars: null when the key's prices are not known. */
function priceOf(account: Payer | null, request: ImageRequest, edit: EditTerms) {
  const { most = null, dearest = null } = estimateOf(account, request, edit) ?? {}
  return { estimate: most, estimateStale: most !== null && !isCurrent(account), dearest }
}

function mayCost({ estimate, dearest }: Pick<ImageJob, 'estimate' | 'dearest'>): MayCost {
  return { usd: dearest ?? estimate ?? 0, isBounded: dearest !== null }
}

/** What a job asked for. */
export function requestOf(job: ImageJob): ImageRequest {
  const { model, prompt, size, quality, n, format, compression, background, moderation, maskId } = job
  const look = { model, prompt, size, quality, n, format, compression, background, moderation }
  return { ...look, references: job.referenceTokens, maskId }
}
