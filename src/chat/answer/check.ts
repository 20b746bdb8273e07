import type { Deps } from '../../deps.ts'
import { findReceipt } from '../../spend/queries.ts'
import { decide, settle, type Tell } from '../../spend/settle.ts'
import { tellPages } from '../notify-queries.ts'
import { type Reply, setReplyVerdict } from '../reply-queries.ts'

/** Whether the usage rows, or the person, could still tell more about it. */
export function mayCheckReply(reply: Reply): boolean {
  return reply.charged === 'unknown' && reply.finishedAt !== null && reply.calledAt !== null
}

/** Pages hear of the cost and of the balance. */
export const tellAnswer: Tell = async (tx, receipt, verdict) => {
  const reply = await setReplyVerdict(tx, receipt.userId, receipt.subject, verdict)
  if (!reply) return
  if (verdict.evidence) await tellPages(tx, reply.conversationId, 'change')
  if (verdict.cost !== null) await tellPages(tx, reply.conversationId, 'balance')
}

/** Looks at once whether an answer whose outcome is not known was charged. Throws `SignedOut`. */
export async function checkReply(deps: Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log'>, reply: Reply): Promise<void> {
  const receipt = mayCheckReply(reply) ? await findReceipt(deps.db, reply.userId, 'answer', reply.messageId) : null
  if (receipt) await settle(deps, [receipt], tellAnswer, { asked: true })
}

/** The person says which of the rows it was, or null for none. False when there is nothing to decide. */
export async function decideReply(deps: Pick<Deps, 'db'>, reply: Reply, usageId: number | null): Promise<boolean> {
  const receipt = mayCheckReply(reply) ? await findReceipt(deps.db, reply.userId, 'answer', reply.messageId) : null
  return receipt !== null && (await decide(deps, receipt, usageId, tellAnswer))
}
