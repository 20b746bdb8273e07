import type { Db } from '../../db/db.ts'
import { sumConversation } from '../../spend/sum-queries.ts'
import type { Conversation } from '../conversation-queries.ts'
import { sumTokens } from '../reply-queries.ts'
import type { UsedView } from './view.ts'

/** What a conversation has used so far: all of its calls, whichever branch they were for. */
export async function loadUsed(db: Db, conversation: Conversation): Promise<UsedView> {
  const { input, output } = await sumTokens(db, conversation)
  const { usd, open } = await sumConversation(db, conversation.userId, conversation.id)
  return { input, output, usd, open }
}
