import type { Deps } from '../../deps.ts'
import type { Run } from '../../work/worker.ts'
import { writeSnapshot } from '../archive/keep.ts'
import { findToolCall } from '../call-queries.ts'
import { findConversation } from '../conversation-queries.ts'
import { advanceLine } from '../line.ts'
import { findLeafBelow } from '../message-queries.ts'
import { paintUnasked } from '../paint.ts'
import { findReply } from '../reply-queries.ts'
import { findSettings } from '../settings-queries.ts'
import { suggestTitle } from './title.ts'

/** After an answer: the picture that needs no asking, what was said meanwhile, a title, the conversation as a file. Safe to repeat. */
export async function followAnswer(deps: Deps, userId: number, messageId: string, run: Run): Promise<void> {
  const reply = await findReply(deps.db, userId, messageId)
  const conversation = reply && (await findConversation(deps.db, userId, reply.conversationId))
  if (!reply || !conversation) return
  const settings = await findSettings(deps.db, userId)
  // In the trash nobody looks at it: nothing is paid for.
  if (!conversation.deletedAt && !settings.askBeforePaying && reply.state === 'done') {
    const leaf = await findLeafBelow(deps.db, conversation, messageId)
    const call = leaf && leaf !== messageId ? await findToolCall(deps.db, userId, leaf) : null
    if (call) await paintUnasked(deps, reply, call)
  }
  await advanceLine(deps, conversation)
  await suggestTitle(deps, conversation, reply, run)
  await writeSnapshot(deps, conversation)
}
