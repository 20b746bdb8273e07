import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { Queues } from '../jobs.ts'
import { SignedOut, withAccessToken } from '../session/tokens.ts'
import { tellPages } from './news-queries.ts'
import { listRepliesForCost, type Reply, setReplyCost } from './reply-queries.ts'

const USAGE_ROWS = 100
/** Seconds after an answer: the gateway writes its usage rows a while later, and is asked 60 times a minute at most. */
const LOOKS = [2, 3, 8, 20] as const

/** What is sent with the end of an answer, in its transaction. */
export const firstLook = { startAfterSeconds: LOOKS[0] }

/**
 * Looks for the usage rows of answers that ended: what they cost, and the proof of a charge. Pages hear of that and of
 * the balance. Without a row after the last look, the balance alone is told.
 */
export async function lookUpReplyCosts(deps: Deps, wanted: readonly Queues['reply-cost'][]): Promise<void> {
  const attemptOf = new Map(wanted.map(({ messageId, attempt }) => [messageId, attempt]))
  const replies = await listRepliesForCost(deps.db, [...attemptOf.keys()])
  for (const group of Map.groupBy(replies, reply => `${reply.signInId} ${reply.keyId}`).values()) {
    try {
      await lookUp(deps, group, attemptOf)
    } catch (error) {
      // Nobody is left to ask as.
      if (!(error instanceof SignedOut)) throw error
    }
  }
}

/** All of one sign-in and one key. */
async function lookUp(deps: Deps, replies: readonly Reply[], attemptOf: ReadonlyMap<string, number>): Promise<void> {
  const { signInId, keyId, userId } = replies[0]!
  if (!signInId || !keyId) return
  const costs = new Map(await ask(deps, [], () => listCosts(deps, signInId, keyId)))
  const over: Reply[] = []
  for (const reply of replies) {
    const { messageId, requestId } = reply
    const attempt = attemptOf.get(messageId)!
    const cost = costs.get(`client:${requestId}`)
    const startAfterSeconds = requestId && cost === undefined ? LOOKS[attempt] : undefined
    if (startAfterSeconds) {
      await deps.jobs.send(deps.db, 'reply-cost', { messageId, attempt: attempt + 1 }, { startAfterSeconds })
      continue
    }
    if (cost !== undefined) await setReplyCost(deps.db, reply, cost)
    over.push(reply)
  }
  if (over.length > 0) await ask(deps, undefined, () => refreshBalance(deps, userId, signInId))
  for (const conversationId of new Set(over.map(reply => reply.conversationId)))
    await tellPages(deps.db, conversationId, 'balance')
}

async function listCosts(deps: Deps, signInId: string, keyId: number): Promise<[string, number | undefined][]> {
  const { rows } = await withAccessToken(deps, signInId, (token, caller) =>
    deps.gateway.listUsage(caller, token, { apiKeyId: keyId, limit: USAGE_ROWS }),
  )
  return rows.map(({ requestId, actualCost }) => [requestId, actualCost])
}

/** `otherwise` when the gateway does not answer: there is another look, or the next answer's. */
async function ask<T>(deps: Deps, otherwise: T, question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (error) {
    if (!(error instanceof GatewayError || error instanceof PanelError)) throw error
    deps.log.info({ err: error }, 'the gateway did not tell what an answer cost')
    return otherwise
  }
}
