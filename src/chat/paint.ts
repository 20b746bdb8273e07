import { currentAccount } from '../account/current.ts'
import { obstacleTo } from '../account/obstacle.ts'
import { type Requester, usableKey } from '../account/requester.ts'
import { findUsableAccount } from '../account/viewer.ts'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { tellWhenEnded } from '../images/ended.ts'
import { findJob } from '../images/job-queries.ts'
import type { ImageRequest } from '../images/prompt.ts'
import { prepare, startInTurn } from '../images/start.ts'
import { startsLock } from '../images/start-queries.ts'
import { hasArrived, listPicturesOfJobs } from '../library/queries.ts'
import { defaultModel } from '../models/image-models.ts'
import { isOfBudget, oneAfterAnother } from '../spend/budgets.ts'
import { Refusal } from '../web/errors.ts'
import { inTurn } from '../web/turns.ts'
import { tellChange } from './archive/keep.ts'
import { addAnswer } from './ask.ts'
import { endToolCall, findPaintingCall, lockAskedCall, setPainting, type ToolCall } from './call-queries.ts'
import { askingLock, findConversation } from './conversation-queries.ts'
import { advanceLine, holdLine } from './line.ts'
import { findLeafBelow, findMessage } from './message-queries.ts'
import { findReply, type Reply } from './reply-queries.ts'

/** What the person confirmed, perhaps after changing it. */
interface Wish {
  prompt: string
  size: string
  n: number
}

/** What a picture of the chat is asked for with, beside what the card shows. */
function imageRequestOf(call: ToolCall, wish: Wish): ImageRequest {
  const { quality, format, background, moderation } = defaultModel.defaults
  const rest = { quality, format, background, moderation, compression: null, maskId: null }
  return { model: defaultModel.id, ...wish, ...rest, references: call.sources }
}

/**
 * Starts the picture job of a call that was asked about. Call and job commit together: pressed twice, or here while
 * another tab says no, there is one job or none. Throws what `startImage` throws.
 */
export async function paint(deps: Deps, requester: Requester, call: ToolCall, wish: Wish): Promise<void> {
  if (call.state !== 'asked') return
  const request = imageRequestOf(call, wish)
  const { enqueue } = await prepare(deps, requester, [request])
  await inTurn(deps.db, startsLock, requester, async tx => {
    if (!(await lockAskedCall(tx, call))) return
    const conversation = await findConversation(tx, call.userId, call.conversationId)
    const from = conversation ? { conversation } : undefined
    const queue: typeof enqueue = (within, asked, once) => enqueue(within, asked, once, from)
    const { job } = await startInTurn(deps, tx, queue, requester, request, call.messageId)
    await tellWhenEnded(tx, job)
    await setPainting(tx, call, { jobId: job.id, prompt: job.prompt, size: job.size, n: job.n })
  })
}

/** The person does not want the picture: the model is told so, and may say something to it. */
export async function decline(deps: Deps, call: ToolCall): Promise<void> {
  await close(deps, call, { state: 'declined', output: 'The person declined: not now. No picture was made.' })
}

/** The picture job of a call has ended: the model is told of it, once. */
export async function pictureEnded(deps: Deps, userId: number, jobId: string): Promise<void> {
  const call = await findPaintingCall(deps.db, userId, jobId)
  if (call) await close(deps, call, await outcomeOf(deps, call))
}

/** Whoever runs the site gave the picture of a call up, after a restore: the model is asked for nothing more. */
export async function giveUpPicture(db: Db, userId: number, jobId: string): Promise<void> {
  await db.transaction(async tx => {
    const call = await findPaintingCall(tx, userId, jobId)
    if (!call) return
    const output = 'Failed: the site was restored from a backup. It is not known whether a picture was made.'
    await endToolCall(tx, call, { state: 'failed', output })
    await holdLine(tx, { id: call.conversationId, userId })
    await tellChange(tx, { id: call.conversationId, userId })
  })
}

async function outcomeOf(deps: Deps, call: ToolCall): Promise<{ state: 'done' | 'failed'; output: string }> {
  const job = call.jobId ? await findJob(deps.db, call.userId, call.jobId) : null
  const kept = call.jobId ? await listPicturesOfJobs(deps.db, call.userId, [call.jobId]) : []
  const pictures = kept.filter(hasArrived)
  if (pictures.length > 0) {
    const sizes = pictures.map(picture => `${picture.width}x${picture.height}`).join(', ')
    const made = `Done: ${pictures.length} of ${call.n}, ${sizes}, is shown to the person.`
    return { state: 'done', output: `${made} Prompt used: ${call.prompt.slice(0, 4_000)}` }
  }
  const why = [job?.state ?? 'gone', job?.failureReason].filter(Boolean).join(': ')
  const what =
    job?.state === 'unknown' ? 'No picture came, and it is not known whether one was made' : 'No picture was made'
  const preview = kept.some(({ condition }) => condition === 'preview') ? ' A preview of it is shown to them.' : ''
  return { state: 'failed', output: `Failed (${why}). ${what}; the person sees why.${preview}` }
}

interface CallEnding {
  state: 'done' | 'failed' | 'declined'
  output: string
}

/** Ends a call and asks for the closing words; without them where a budget has no room for what nobody asked for. */
async function close(deps: Deps, call: ToolCall, ending: CallEnding): Promise<void> {
  try {
    await oneAfterAnother(() => closeWith(deps, call, ending, true))
  } catch (error) {
    if (!(error instanceof Refusal) || !isOfBudget(error)) throw error
    await closeWith(deps, call, ending, false)
  }
  // Where no words follow, nothing else tells that the turn is over.
  await advanceLine(deps, { id: call.conversationId, userId: call.userId })
}

/** In one transaction, so that they are asked for once. */
async function closeWith(deps: Deps, call: ToolCall, ending: CallEnding, hasWords: boolean): Promise<void> {
  await inTurn(deps.db, askingLock, call, async tx => {
    await deps.at?.('painted', call.messageId)
    if (!(await endToolCall(tx, call, ending))) return
    await tellChange(tx, { id: call.conversationId, userId: call.userId })
    const conversation = await findConversation(tx, call.userId, call.conversationId)
    const message = conversation && (await findMessage(tx, conversation, call.messageId))
    const asked = message?.parentId ? await findReply(tx, call.userId, message.parentId) : null
    const account = await findUsableAccount({ ...deps, db: tx }, call.userId)
    // The person has written on meanwhile, or has no key any more: nothing to be said.
    const isLeaf = conversation && (await findLeafBelow(tx, conversation, call.messageId)) === call.messageId
    const canPay = account?.keyId && account.keySecret && !obstacleTo(account, 'words')?.blocks
    if (!hasWords || !message || !asked?.signInId || !canPay || !isLeaf) return
    const asker = {
      userId: call.userId,
      signInId: asked.signInId,
      caller: { address: asked.callerAddress, userAgent: asked.callerUserAgent },
    }
    const { model, effort } = asked
    const words = { parent: message, purpose: 'close' as const, model, effort }
    await addAnswer(deps, tx, asker, usableKey(account, 'words'), words)
  })
}

/** For people who do not want to be asked: the job of a new call is started at once, on their chosen key. */
export async function paintUnasked(deps: Deps, reply: Reply, call: ToolCall): Promise<void> {
  if (!reply.signInId || call.state !== 'asked') return
  const { userId, signInId } = reply
  const caller = { address: reply.callerAddress, userAgent: reply.callerUserAgent }
  const account = await currentAccount(deps, { userId, signInId })
  try {
    await paint(deps, { userId, signInId, caller, account }, call, { prompt: call.prompt, size: call.size, n: call.n })
  } catch (error) {
    // The card stays, and says what is in the way when it is pressed.
    if (!(error instanceof Refusal)) throw error
    deps.log.info({ err: error, call: call.messageId }, 'a picture of the chat could not be started')
  }
}
