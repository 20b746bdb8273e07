import type { Db } from '../db/db.ts'
import { takeParked } from '../work/news-queries.ts'
import { replyLeases } from './answer/claim-queries.ts'
import { tellChange } from './archive/keep.ts'
import { holdLine } from './line.ts'
import { giveUpPicture } from './paint.ts'
import { findReply, listParked, stopReply } from './reply-queries.ts'

/** Ends answers that were parked, and all that would follow from parked news or the `waited` pictures: nothing is asked for. */
export async function giveUpParked(tx: Db, waited: readonly { id: string; userId: number }[]): Promise<void> {
  for (const reply of await listParked(tx)) {
    await stopReply(tx, reply)
    await tellChange(tx, { id: reply.conversationId, userId: reply.userId })
  }
  for (const { topic, subject, userId } of await takeParked(tx)) {
    if (topic === 'picture-ended') await giveUpPicture(tx, userId, subject)
    const reply = topic === 'answer-ended' ? await findReply(tx, userId, subject) : null
    if (!reply) continue
    await holdLine(tx, { id: reply.conversationId, userId })
    await tellChange(tx, { id: reply.conversationId, userId })
  }
  for (const { id, userId } of waited) await giveUpPicture(tx, userId, id)
  // Those that were sent are ended by the sweep now.
  await replyLeases.release(tx)
}
