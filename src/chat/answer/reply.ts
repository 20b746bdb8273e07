import { randomUUID } from 'node:crypto'
import { openReplyKey } from '../../account/key.ts'
import { windowOpensAt } from '../../account/key-windows.ts'
import { findAccount, forgetKeyState, noteEmptyBalance } from '../../account/queries.ts'
import { DatabaseUnavailable } from '../../db/errors.ts'
import type { Deps } from '../../deps.ts'
import type { ResponseEvent } from '../../gateway/client.ts'
import { GatewayError } from '../../gateway/errors.ts'
import type { WindowName } from '../../gateway/windows.ts'
import { endReceipt } from '../../spend/receipt.ts'
import { tell } from '../../work/news-queries.ts'
import { persist, persistEnding } from '../../work/persist.ts'
import type { Run, Stop } from '../../work/worker.ts'
import { loadBranch, loadTexts, type NamedPicture } from '../branch.ts'
import { insertToolCall } from '../call-queries.ts'
import { findConversation } from '../conversation-queries.ts'
import { findMessage, insertMessage } from '../message-queries.ts'
import { findSettings } from '../settings-queries.ts'
import {
  type ClaimedReply,
  type Delta,
  finishReply,
  listDeltas,
  type ReplyEnding,
  requeueReply,
  setRequestId,
} from './claim-queries.ts'
import { createDeltaWriter, type DeltaWriter } from './delta-writer.ts'
import { promptAbove, referTo } from './drawn.ts'
import { tellHistory } from './history.ts'
import { instructionsFor } from './instructions.ts'
import { type DrawnKeeper, keepDrawn } from './keep-drawn.ts'
import { answerCalls, beginCall, callAgainLater, takeBackCall } from './receipts.ts'
import { bareEnding, endingAfter, endingOf, type Heard, written } from './reply-ending.ts'
import { readToolCall, toolsFor } from './tools.ts'

const ATTEMPTS = 4
const LONGEST_WAIT_MS = 30_000
const LONGEST_ANSWER = 400_000

/**
 * Writes one claimed answer to its end: asks the gateway at most once, keeps every word as it comes, and leaves the row
 * in a state that says what happened. Only a failure that proves that nothing was charged puts it back into the queue.
 */
export async function writeReply(deps: Deps, claimed: ClaimedReply, run: Run): Promise<void> {
  const { signal } = run
  const conversation = await findConversation(deps.db, claimed.userId, claimed.conversationId)
  if (!conversation) return
  const message = await findMessage(deps.db, conversation, claimed.messageId)
  const branch = await loadBranch(deps.db, conversation, message?.parentId ?? null)
  // What an answer holds as a text is for its reader.
  const said = branch.turns.filter(turn => turn.kind === 'user')
  const { input, pictures } = await tellHistory(deps, branch, await loadTexts(deps.db, conversation, said))
  const settings = await findSettings(deps.db, claimed.userId)
  const mayPaint = await offersPictures(deps, claimed)
  if (!claimed.keySecret) throw new Error(`reply ${claimed.messageId} has no key`)
  const key = openReplyKey(deps, claimed.userId, claimed.messageId, claimed.keySecret)
  if (!key) {
    const ending = {
      state: 'failed' as const,
      ...(await written(claimed, { text: '', reasoning: '' })),
      charged: 'no' as const,
    }
    return endReply(deps, claimed, { ...ending, reason: 'key_invalid' }, { calls: [], pictures: [], mayPaint })
  }

  // Shutting down, or stopped, before anything was sent: the row may go back, or end uncharged.
  await deps.at?.('claimed', claimed.messageId)
  const reply = run.mayCall() ? await persist(deps, () => beginCall(deps, claimed, conversation)) : null
  if (!reply) return giveBack(deps, claimed)
  await deps.at?.('marked', reply.messageId)
  if (!run.mayCall()) {
    await persist(deps, () => takeBackCall(deps, reply))
    return giveBack(deps, reply)
  }
  deps.log.info(
    { conversation: reply.conversationId, reply: reply.messageId, attempt: reply.attempts },
    'the gateway is asked for an answer',
  )
  const writer = createDeltaWriter(deps, reply)
  const drawn = keepDrawn(deps, reply, promptAbove(branch.turns))
  const heard: Heard = { calls: [], finished: null, requestId: null }
  let ending: ReplyEnding
  try {
    const events = deps.gateway.respond(
      { address: reply.callerAddress, userAgent: reply.callerUserAgent },
      key,
      {
        model: reply.model,
        instructions: instructionsFor(settings, conversation),
        input,
        tools: mayPaint ? toolsFor(pictures) : [],
        effort: reply.effort ?? undefined,
      },
      { signal },
    )
    for await (const event of events) {
      await hear(deps, reply, event, writer, drawn, heard)
      if (writer.text.length + writer.reasoning.length > LONGEST_ANSWER)
        throw new GatewayError('upstream', { charged: 'yes', detail: 'the answer is too long' })
    }
    await Promise.all([writer.close(), drawn.settled()])
    ending = await endingOf(reply, writer, heard)
  } catch (error) {
    await Promise.all([writer.close(), drawn.settled()])
    const again = await comeBack(deps, error, reply, writer, signal)
    ending = await endingAfter(deps, reply, writer, heard, error, signal)
    const { requestId = null } = ending
    if (again && (await persist(deps, () => callAgainLater(deps, reply, again, requestId)))) return
  }
  await endReply(deps, reply, ending, { ...heard, pictures, mayPaint })
}

/** A key whose group refuses pictures is not offered any, and the words after a picture come without another one. */
async function offersPictures(deps: Deps, reply: ClaimedReply): Promise<boolean> {
  if (reply.purpose === 'close') return false
  const account = await findAccount(deps.db, reply.userId)
  return account?.keyAllowsImages === true
}

async function hear(
  deps: Deps,
  reply: ClaimedReply,
  event: ResponseEvent,
  writer: DeltaWriter,
  drawn: DrawnKeeper,
  heard: Heard,
): Promise<void> {
  switch (event.type) {
    case 'accepted':
      heard.requestId = event.requestId
      if (event.requestId) await noteRequestId(deps, reply, event.requestId)
      return
    case 'text':
    case 'reasoning':
      writer.add(event.type, event.delta)
      return
    case 'drawing':
      drawn.begin(event)
      writer.add('text', referTo(event, writer.text))
      return
    case 'picture':
      drawn.keep(event.index, event)
      return
    case 'call':
      heard.calls.push(event)
      return
    case 'finished':
      heard.finished = event
  }
}

/** The end of the answer tells it anyway: no reason to leave a call that is paid for. */
async function noteRequestId(deps: Deps, reply: ClaimedReply, requestId: string): Promise<void> {
  try {
    await persist(deps, () => setRequestId(deps.db, reply, requestId))
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error
    deps.log.warn({ err: error, reply: reply.messageId }, 'the request id of an answer could not be kept yet')
  }
}

/** Ends an answer and, when the model asked for a picture, puts the card for it below, in one transaction. */
async function endReply(
  deps: Deps,
  reply: ClaimedReply,
  ending: ReplyEnding,
  asked: { calls: Heard['calls']; pictures: readonly NamedPicture[]; mayPaint: boolean },
): Promise<void> {
  const [called = null] = ending.state === 'done' ? asked.calls : []
  const whole = { told: ending, call: called }
  const ended = await persistEnding(deps, whole, { told: bareEnding(ending), call: null }, ({ told, call }) =>
    deps.db.transaction(async tx => {
      await deps.at?.('received', reply.messageId)
      const row = await finishReply(tx, reply, told)
      if (!row) return row
      const { conversationId, userId, messageId: replyId } = reply
      await tell(tx, 'answer-ended', { userId, subject: replyId })
      if (row.calledAt) {
        const { requestId, failureReason: reason } = row
        await endReceipt(tx, answerCalls, replyId, { requestId, charged: row.charged ?? 'unknown', reason })
      }
      const conversation = call && (await findConversation(tx, userId, conversationId))
      // Deleted by now, where a worker that was thought dead tells late.
      if (!conversation || !(await findMessage(tx, conversation, replyId))) return row
      const messageId = randomUUID()
      const isOnly = asked.calls.length === 1
      const read = readToolCall(call, { pictures: asked.pictures, mayPaint: asked.mayPaint, isOnly })
      await insertMessage(tx, {
        id: messageId,
        conversationId,
        userId,
        parentId: reply.messageId,
        role: 'tool',
      })
      await insertToolCall(tx, {
        messageId,
        conversationId,
        userId,
        callId: call.callId,
        name: call.name.slice(0, 100),
        arguments: call.arguments.slice(0, 100_000),
        ...read,
      })
      return row
    }),
  )
  await deps.at?.('ended', reply.messageId)
  if (!ended) return
  const facts = { state: ended.state, reason: ended.failureReason ?? '' }
  deps.metrics.repliesFinished.inc(facts)
  const failed = ended.state !== 'done' && ended.state !== 'stopped'
  const { conversationId: subject, calledAt } = reply
  if (calledAt) deps.traces.tell({ name: 'gateway answer', from: calledAt, failed, subject, facts })
  deps.log.info(
    {
      conversation: reply.conversationId,
      reply: reply.messageId,
      ...facts,
      gatewayRequest: ended.requestId ?? undefined,
    },
    'an answer ended',
  )
}

/** When to ask again, or null. A full window of the key is waited for, however long; and next time known of before. */
async function comeBack(
  deps: Deps,
  error: unknown,
  reply: ClaimedReply,
  writer: DeltaWriter,
  signal: AbortSignal,
): Promise<{ notBefore: Date; waitsFor: WindowName | null } | null> {
  if (error instanceof GatewayError && error.reason === 'insufficient_balance' && reply.fromBalance)
    await persist(deps, () => noteEmptyBalance(deps.db, reply.userId))
  const notBefore = comeBackAt(error, reply, writer, signal)
  const window = error instanceof GatewayError ? error.facts.window : undefined
  if (!notBefore || !window) return notBefore && { notBefore, waitsFor: null }
  const opens = await windowOpensAt(deps, reply, window)
  if (reply.keyId) await forgetKeyState(deps.db, reply.userId, reply.keyId).catch(() => undefined)
  return { notBefore: new Date(Math.max(notBefore.getTime(), opens.getTime())), waitsFor: window }
}

/** When to ask again, or null: only what was proven to have cost nothing, and passes by itself within half a minute. */
function comeBackAt(error: unknown, reply: ClaimedReply, writer: DeltaWriter, signal: AbortSignal): Date | null {
  if (!(error instanceof GatewayError) || error.facts.charged !== 'no' || writer.text !== '') return null
  // Shut down before the request had left: the next worker sends it.
  if (signal.aborted) return signal.reason === ('shutdown' satisfies Stop) ? new Date() : null
  const isSpent = reply.attempts >= ATTEMPTS && !error.facts.window
  if (!error.facts.mayRetry || isSpent) return null
  const backOff = 1000 * 2 ** reply.attempts * (0.75 + Math.random() / 2)
  const wait = Math.max(backOff, (error.facts.retryAt?.getTime() ?? 0) - Date.now())
  return wait > LONGEST_WAIT_MS ? null : new Date(Date.now() + wait)
}

async function giveBack(deps: Deps, reply: ClaimedReply): Promise<void> {
  // What failed again and again before anything was sent would fail for ever.
  const isHopeless = reply.attempts > ATTEMPTS
  if (!isHopeless && (await persist(deps, () => requeueReply(deps.db, reply, null)))) return
  const none = { text: '', reasoning: '', html: '', charged: 'no' as const }
  const ending = isHopeless
    ? { state: 'failed' as const, ...none, reason: 'interrupted' as const }
    : { state: 'stopped' as const, ...none }
  await endReply(deps, reply, ending, { calls: [], pictures: [], mayPaint: false })
}

/** Ends an answer whose worker died, with the words that had come; what was never sent goes back into the queue. */
export async function recoverReply(deps: Deps, reply: ClaimedReply): Promise<void> {
  if (!reply.calledAt) return giveBack(deps, reply)
  const deltas = await listDeltas(deps.db, reply.messageId, -1)
  const join = (kind: Delta['kind']) => deltas.map(delta => (delta.kind === kind ? delta.text : '')).join('')
  const kept = await written(reply, { text: join('text'), reasoning: join('reasoning') })
  deps.log.warn({ reply: reply.messageId }, 'an answer outlived its worker')
  const ending = reply.cancelRequestedAt
    ? { state: 'stopped' as const, ...kept, charged: 'unknown' as const }
    : { state: 'unknown' as const, ...kept, reason: 'interrupted' as const, charged: 'unknown' as const }
  await endReply(deps, reply, ending, { calls: [], pictures: [], mayPaint: false })
}
