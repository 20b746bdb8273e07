import type { Db } from '../db/db.ts'
import { listQueuedReplies } from './admin-queries.ts'
import { tellChange } from './archive/keep.ts'
import { stopReply } from './reply-queries.ts'

/** Answers of a person that wait end; what is being written goes on. How many those were. */
export async function stopWaitingAnswers(tx: Db, userId: number): Promise<number> {
  let stopped = 0
  for (const reply of await listQueuedReplies(tx, userId)) {
    if (!(await stopReply(tx, reply))) continue
    stopped++
    await tellChange(tx, { id: reply.conversationId, userId })
  }
  return stopped
}
