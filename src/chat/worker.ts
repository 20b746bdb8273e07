import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { closePainted, paintUnasked } from './paint.ts'
import * as queries from './queries.ts'
import { type Stop, sweepAbandonedReplies, writeReply } from './reply.ts'
import { writeSnapshot } from './snapshot.ts'

const RUNNING_HERE = 32
const RUNNING_PER_USER = 4
/** The gateway writes its bill some time after the answer. */
const BALANCE_AFTER_MS = 1_500

export interface ChatWorker {
  /** Takes no more work, waits `seconds` for what runs, then leaves the rest as `unknown`. */
  stop(seconds: number): Promise<void>
}

/**
 * Writes answers in this process. As with pictures, a queue message is only a wake-up: which answer is written next is
 * decided by the claim, and a tick finds what no message told of.
 */
export async function startChatWorker(deps: Deps): Promise<ChatWorker> {
  const { tickSeconds, leaseSeconds, sweepSeconds } = deps.config.worker
  /** By claim: an answer that was taken from us and claimed again is another run. */
  const running = new Map<string, { reply: queries.ClaimedReply; stop: AbortController; over: Promise<void> }>()
  const later = new Set<NodeJS.Timeout>()
  let stopping = false

  const fill = alone(async () => {
    const slots = RUNNING_HERE - running.size
    if (stopping || slots <= 0) return
    for (const reply of await queries.claimReplies(deps.db, { slots, perUser: RUNNING_PER_USER, leaseSeconds }))
      run(reply)
  })

  function run(reply: queries.ClaimedReply): void {
    const stop = new AbortController()
    if (stopping) stop.abort('shutdown' satisfies Stop)
    const over = writeReply(deps, reply, stop.signal)
      .catch(error => deps.log.error({ err: error, reply: reply.messageId }, 'an answer was left to the sweep'))
      .finally(() => {
        running.delete(reply.claim)
        deps.metrics.repliesRunning.set(running.size)
        void fill()
      })
      .then(() => followUp(reply))
      .catch(error => deps.log.warn({ err: error, reply: reply.messageId }, 'what follows an answer failed'))
    running.set(reply.claim, { reply, stop, over })
    deps.metrics.repliesRunning.set(running.size)
  }

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
    if (reply.charged === 'no' || !signInId || stopping) return
    const timer = setTimeout(() => {
      later.delete(timer)
      refreshBalance(deps, userId, signInId)
        .then(() => queries.tellPages(deps.db, conversationId, 'balance'))
        .catch(error => deps.log.info({ err: error, user: userId }, 'the balance could not be asked for'))
    }, BALANCE_AFTER_MS)
    later.add(timer)
  }

  function abort(messageId: string): void {
    for (const { reply, stop } of running.values())
      if (reply.messageId === messageId) stop.abort('stopped' satisfies Stop)
  }

  let extendedAt = Date.now()
  const lookAfter = alone(async () => {
    if (running.size > 0) {
      const ids = [...running.values()].map(({ reply }) => reply.messageId)
      for (const id of await queries.listStopRequested(deps.db, ids)) abort(id)
      if (Date.now() - extendedAt > (leaseSeconds * 1000) / 4) {
        await queries.extendReplyLeases(deps.db, [...running.keys()], leaseSeconds)
        extendedAt = Date.now()
      }
    }
    await fill()
  })

  let sweptAt = 0
  const sweep = alone(async () => {
    if (stopping) return
    await closePainted(deps)
    if (Date.now() - sweptAt < sweepSeconds * 1000) return
    sweptAt = Date.now()
    await sweepAbandonedReplies(deps, leaseSeconds, [...running.keys()])
  })

  /** The same work once at a time; asked for meanwhile, it is done once more. */
  function alone(work: () => Promise<void>): () => Promise<void> {
    let underWay: Promise<void> | null = null
    let again = false
    const start = (): Promise<void> => {
      again = underWay !== null
      underWay ??= work()
        .catch(error => deps.log.warn({ err: error }, 'the chat worker could not look after its answers'))
        .finally(() => {
          underWay = null
          if (again) void start()
        })
      return underWay
    }
    return start
  }

  const unheard = deps.listener.on('stop', payload => {
    if (payload) abort(payload.slice('stop '.length))
    else void lookAfter()
  })
  const timer = setInterval(() => {
    void lookAfter()
    void sweep()
  }, tickSeconds * 1000)
  await deps.jobs.work('reply', { batch: 100, pollSeconds: 2 }, fill)
  void fill()

  return {
    async stop(seconds) {
      stopping = true
      await fill()
      const over = Promise.all([...running.values()].map(entry => entry.over))
      const limit = new Promise(resolve => setTimeout(resolve, seconds * 1000).unref())
      await Promise.race([over, limit])
      for (const { stop } of running.values()) stop.abort('shutdown' satisfies Stop)
      await over
      clearInterval(timer)
      for (const each of later) clearTimeout(each)
      unheard()
      await lookAfter()
      await sweep()
    },
  }
}
