import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../worker.ts'
import { findToolCall } from './call-queries.ts'
import { type ClaimedReply, claimReplies, extendReplyLeases, listCancelledReplies } from './claim-queries.ts'
import { findConversation } from './conversation-queries.ts'
import { findLeafBelow } from './message-queries.ts'
import { tellPages } from './news-queries.ts'
import { findSettings } from './own-queries.ts'
import { closePainted, paintUnasked } from './paint.ts'
import { sweepAbandonedReplies, writeReply } from './reply.ts'
import { findReply } from './reply-queries.ts'
import { writeSnapshot } from './snapshot.ts'

const RUNNING_HERE = 32
const RUNNING_PER_USER = 4
/** The gateway writes its bill some time after the answer. */
const BALANCE_AFTER_MS = 1_500

/** Writes answers in this process. */
export async function startChatWorker(deps: Deps): Promise<Pick<Worker<ClaimedReply>, 'stop'>> {
  const { leaseSeconds } = deps.config.worker
  const later = new Set<NodeJS.Timeout>()
  const worker = await startWorker<ClaimedReply>(deps, {
    queue: 'reply',
    slots: RUNNING_HERE,
    running: deps.metrics.repliesRunning,
    claim: slots => claimReplies(deps.db, { slots, perUser: RUNNING_PER_USER, leaseSeconds }),
    async run(reply, signal) {
      await writeReply(deps, reply, signal)
      await followUp(reply).catch(error =>
        deps.log.warn({ err: error, reply: reply.messageId }, 'what follows an answer failed'),
      )
    },
    listCancelled: claims => listCancelledReplies(deps.db, claims),
    extendLeases: claims => extendReplyLeases(deps.db, claims, leaseSeconds),
    sweep: claimsHere => sweepAbandonedReplies(deps, leaseSeconds, claimsHere),
    tick: () => closePainted(deps),
  })

  /** After an answer: the picture that needs no asking, the snapshot, the balance. */
  async function followUp({ userId, messageId, conversationId }: ClaimedReply): Promise<void> {
    const reply = await findReply(deps.db, userId, messageId)
    const conversation = await findConversation(deps.db, userId, conversationId)
    if (!reply?.finishedAt || !conversation) return
    const settings = await findSettings(deps.db, userId)
    if (!settings.askBeforePaying && reply.state === 'done') {
      const leaf = await findLeafBelow(deps.db, conversation, messageId)
      const call = leaf && leaf !== messageId ? await findToolCall(deps.db, userId, leaf) : null
      if (call) await paintUnasked(deps, reply, call)
    }
    await writeSnapshot(deps, conversation)
    const { signInId } = reply
    if (reply.charged === 'no' || !signInId) return
    const timer = setTimeout(() => {
      later.delete(timer)
      refreshBalance(deps, userId, signInId)
        .then(() => tellPages(deps.db, conversationId, 'balance'))
        .catch(error => deps.log.info({ err: error, user: userId }, 'the balance could not be asked for'))
    }, BALANCE_AFTER_MS)
    later.add(timer)
  }

  const unheard = deps.listener.on('stop', payload => {
    if (!payload) void worker.lookAfter()
    else worker.cancel(reply => payload === `stop ${reply.messageId}`)
  })

  return {
    async stop(seconds) {
      await worker.stop(seconds)
      unheard()
      for (const each of later) clearTimeout(each)
    },
  }
}
