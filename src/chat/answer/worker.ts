import type { Deps } from '../../deps.ts'
import { startWorker, type Worker } from '../../work/worker.ts'
import { moveLocalSnapshots } from '../archive/local.ts'
import { type ClaimedReply, replyLeases } from './claim-queries.ts'
import { createDrawnRefiler, forgetUnspilled } from './drawn-spill.ts'
import { recoverReply, writeReply } from './reply.ts'

const RUNNING_HERE = 32
const RUNNING_PER_USER = 4

/** Writes answers in this process. */
export async function startChatWorker(deps: Deps): Promise<Pick<Worker<ClaimedReply>, 'stop'>> {
  const bringHome = createDrawnRefiler(deps)
  let isMoved = false
  const worker = await startWorker<ClaimedReply>(deps, {
    kind: 'reply',
    leases: replyLeases,
    limits: { here: RUNNING_HERE, perUser: RUNNING_PER_USER },
    running: deps.metrics.repliesRunning,
    run: (reply, run) => writeReply(deps, reply, run),
    recover: reply => recoverReply(deps, reply),
    async sweep() {
      await forgetUnspilled(deps)
      if (!isMoved) isMoved = await moveLocalSnapshots(deps)
    },
    tick: bringHome,
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
