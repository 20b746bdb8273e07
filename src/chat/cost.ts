import { refreshBalance } from '../account/balance.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { Usage } from '../gateway/schemas.ts'
import type { Queues } from '../jobs.ts'
import { SignedOut, withSomeAccessToken } from '../session/tokens.ts'
import { semaphore } from '../storage/semaphore.ts'
import { tellPages } from './news-queries.ts'
import { listRepliesForCost, type Reply, setReplyCost } from './reply-queries.ts'

const USAGE_ROWS = 100
const ASKED_AT_ONCE = 10
/** With a gateway that hangs one look takes a minute and a half, and all have to end before the queue repeats them. */
const BEGUN_WITHIN_MS = 60_000
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
  const asking = semaphore(ASKED_AT_ONCE)
  const late = performance.now() + BEGUN_WITHIN_MS
  const tryLookUp = async (group: readonly Reply[]) => {
    try {
      await lookUp(deps, group, attemptOf, performance.now() < late)
    } catch (error) {
      // Nobody is left to ask as.
      if (!(error instanceof SignedOut)) throw error
    }
  }
  const groups = Map.groupBy(replies, reply => `${reply.userId} ${reply.keyId}`).values()
  await Promise.all(groups.map(group => asking(() => tryLookUp(group))))
}

/** All of one person and one key. */
async function lookUp(
  deps: Deps,
  replies: readonly Reply[],
  attemptOf: ReadonlyMap<string, number>,
  isInTime: boolean,
): Promise<void> {
  const { userId, keyId } = replies[0]!
  if (!keyId) return
  const unheard = { rows: [], signInId: replies[0]!.signInId }
  // Else it is looked for again, like what is not there yet.
  const { rows, signInId } = isInTime ? await ask(deps, unheard, () => readUsage(deps, replies[0]!, keyId)) : unheard
  const costs = new Map(rows.map(({ requestId, actualCost }) => [requestId, actualCost]))
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
  if (over.length > 0 && signInId) await ask(deps, undefined, () => refreshBalance(deps, userId, signInId))
  for (const conversationId of new Set(over.map(reply => reply.conversationId)))
    await tellPages(deps.db, conversationId, 'balance')
}

/** Usage rows of the key that paid, and the sign-in that could read them. */
async function readUsage(
  deps: Deps,
  asker: Reply,
  apiKeyId: number,
): Promise<{ rows: Usage[]; signInId: string | null }> {
  return withSomeAccessToken(deps, asker, async (token, caller, signInId) => {
    const { rows } = await deps.gateway.listUsage(caller, token, { apiKeyId, limit: USAGE_ROWS })
    return { rows, signInId }
  })
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
