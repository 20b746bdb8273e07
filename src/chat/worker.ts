import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { startWorker, type Worker } from '../worker.ts'
import { closePainted, paintUnasked } from './paint.ts'
import * as queries from './queries.ts'
import { sweepAbandonedReplies, writeReply } from './reply.ts'
import { writeSnapshot } from './snapshot.ts'

const RUNNING_HERE = 32
const RUNNING_PER_USER = 4
/** The gateway writes its bill some time after the answer. */
const BALANCE_AFTER_MS = 1_500

/** Writes answers in this process. */
export async function startChatWorker(deps: Deps): Promise<Pick<Worker<queries.ClaimedReply>, 'stop'>> {
  const { leaseSeconds } = deps.config.worker
  const later = new Set<NodeJS.Timeout>()
  const worker = await startWorker<queries.ClaimedReply>(deps, {
    queue: 'reply',
    slots: RUNNING_HERE,
    running: deps.metrics.repliesRunning,
    claim: slots => queries.claimReplies(deps.db, { slots, perUser: RUNNING_PER_USER, leaseSeconds }),
    async run(reply, signal) {
      await writeReply(deps, reply, signal)
      await followUp(reply).catch(error =>
        deps.log.warn({ err: error, reply: reply.messageId }, 'what follows an answer failed'),
      )
    },
    listCancelled: claims => queries.listCancelledReplies(deps.db, claims),
    extendLeases: claims => queries.extendReplyLeases(deps.db, claims, leaseSeconds),
    sweep: claimsHere => sweepAbandonedReplies(deps, leaseSeconds, claimsHere),
    tick: () => closePainted(deps),
  })

  /** After an answer: the picture that needs no asking, the snapshot, the balance. */
  async function followUp({ userId, messageId, conversationId }: queries.ClaimedReply): Promise<void> {
    const reply = await queries.findReply(deps.db, userId, messageId)
    const conversation = await queries.findConversation(deps.db, userId, conversationId)
    if (!reply?.finishedAt || !conversation) return
    const settings = await queries.findSettings(deps.db, userId)
    if (!settings.askBeforePaying && reply.state === 'done') {
      const leaf = await queries.findLeafBelow(deps.db, conversation, messageId)
      const call = leaf && leaf !== messageId ? await queries.findToolCall(deps.db, userId, leaf) : null
      if (call) await paintUnasked(deps, reply, call)
    }
    await writeSnapshot(deps, conversation)
    const { signInId } = reply
    if (reply.charged === 'no' || !signInId) return
    const timer = setTimeout(() => {
      later.delete(timer)
      refreshBalance(deps, userId, signInId)
        .then(() => queries.tellPages(deps.db, conversationId, 'balance'))
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
