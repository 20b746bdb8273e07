import type { Deps } from '../../deps.ts'
import { type CallKind, endReceipt, openReceipt, withdrawReceipt } from '../../spend/receipt.ts'
import type { Conversation } from '../conversation-queries.ts'
import { tellPages } from '../notify-queries.ts'
import { setReplyVerdict } from '../reply-queries.ts'
import { type ClaimedReply, markCalled, requeueReply, unmarkCalled } from './claim-queries.ts'

export const answerCalls: CallKind = {
  kind: 'answer',
  lostAfterSeconds: null,
  /** Pages hear of the cost and of the balance. */
  async tell(tx, receipt, verdict) {
    const reply = await setReplyVerdict(tx, receipt.userId, receipt.subject, verdict)
    if (!reply) return
    if (verdict.evidence) await tellPages(tx, reply.conversationId, 'change')
    if (verdict.amount !== null) await tellPages(tx, reply.conversationId, 'balance')
  },
}

/** The last step before the gateway is asked, with its receipt. Null as of `markCalled`. */
export function beginCall(
  deps: Pick<Deps, 'db'>,
  claimed: ClaimedReply,
  conversation: Conversation,
): Promise<ClaimedReply | null> {
  return deps.db.transaction(async tx => {
    const reply = await markCalled(tx, claimed)
    if (!reply) return null
    const { userId, signInId, messageId, keyId, keyName, keyGroup, model, purpose, effort } = reply
    const { expected, fromBalance } = reply
    if (keyId === null) throw new Error(`reply ${messageId} has no key`)
    const { id, title } = conversation
    const call = { userId, signInId, subject: messageId, keyId, keyName, keyGroup, model, asked: { purpose, effort } }
    const held = { held: expected, isBounded: false, fromBalance }
    await openReceipt(tx, answerCalls, { ...call, ...held, conversation: { id, title } })
    return reply
  })
}

/** It was not sent after all. */
export async function takeBackCall(deps: Pick<Deps, 'db'>, reply: ClaimedReply): Promise<void> {
  await deps.db.transaction(async tx => {
    if (await unmarkCalled(tx, reply)) await withdrawReceipt(tx, answerCalls, reply.messageId)
  })
}

/** Back into the queue after a call that was free, which stays on record. False as of `requeueReply`. */
export function callAgainLater(
  deps: Pick<Deps, 'db'>,
  reply: ClaimedReply,
  again: { notBefore: Date; waitsFor: Parameters<typeof requeueReply>[3] },
  requestId: string | null,
): Promise<boolean> {
  return deps.db.transaction(async tx => {
    const isBack = await requeueReply(tx, reply, again.notBefore, again.waitsFor)
    if (isBack) await endReceipt(tx, answerCalls, reply.messageId, { requestId, charged: 'no', reason: null })
    return isBack
  })
}
