import type { Deps } from '../../deps.ts'
import { type Run, startWorker, type Worker } from '../../work/worker.ts'
import { writeSnapshot } from '../archive/snapshot.ts'
import { findToolCall } from '../call-queries.ts'
import { findConversation } from '../conversation-queries.ts'
import { findLeafBelow } from '../message-queries.ts'
import { closePainted, paintUnasked } from '../paint.ts'
import { findReply } from '../reply-queries.ts'
import { findSettings } from '../settings-queries.ts'
import { type ClaimedReply, replyLeases } from './claim-queries.ts'
import { createDrawnRefiler, forgetUnspilled } from './drawn-spill.ts'
import { recoverReply, writeReply } from './reply.ts'
import { suggestTitle } from './title.ts'

const RUNNING_HERE = 32
const RUNNING_PER_USER = 4

/** Writes answers in this process. */
export async function startChatWorker(deps: Deps): Promise<Pick<Worker<ClaimedReply>, 'stop'>> {
  const bringHome = createDrawnRefiler(deps)
  const worker = await startWorker<ClaimedReply>(deps, {
    kind: 'reply',
    leases: replyLeases,
    limits: { here: RUNNING_HERE, perUser: RUNNING_PER_USER },
    running: deps.metrics.repliesRunning,
    async run(reply, run) {
      await writeReply(deps, reply, run)
      await followUp(deps, reply, run).catch(error =>
        deps.log.warn({ err: error, reply: reply.messageId }, 'what follows an answer failed'),
      )
    },
    recover: reply => recoverReply(deps, reply),
    sweep: () => forgetUnspilled(deps),
    async tick(claimsHere) {
      await closePainted(deps)
      await bringHome(claimsHere)
    },
  })

  const unheard = deps.listener.on('stop', payload => {
    if (!payload) void worker.lookAfter()
    else worker.cancel(reply => payload === `stop ${reply.messageId}`)
  })

  return {
    async stop() {
      await worker.stop()
      unheard()
    },
  }
}

/** After an answer: the picture that needs no asking, the snapshot, a title. */
async function followUp(deps: Deps, claimed: ClaimedReply, run: Run): Promise<void> {
  const { userId, messageId, conversationId } = claimed
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
  if (await suggestTitle(deps, conversation, reply, run)) await writeSnapshot(deps, conversation)
}
