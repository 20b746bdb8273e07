import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { CHANNEL } from './notify-queries.ts'

const Conversations = z.object({ conversations: z.number() })

export function countConversations(db: Db, userId: number): Promise<z.output<typeof Conversations>> {
  return db.one(Conversations, `select count(*) as conversations from conversations where user_id = $1`, [userId])
}

/** What waits ends; what was not called yet is called off; what was called is written to its end. */
export async function stopUncalled(tx: Db, userId: number): Promise<void> {
  await tx.run(
    `update replies set state = 'stopped', version = version + 1, finished_at = now(), key_secret = null, charged = 'no',
       html = '' where user_id = $1 and state = 'queued'`,
    [userId],
  )
  await tx.run(
    `with asked as (
       update replies set cancel_requested_at = coalesce(cancel_requested_at, now())
       where user_id = $1 and state = 'running' and called_at is null returning message_id)
     select pg_notify($2, 'stop ' || message_id) from asked`,
    [userId, CHANNEL],
  )
}

/** Answers, and pictures of answers that a worker holds. */
export async function countUnended(tx: Db, userId: number): Promise<number> {
  const { count } = await tx.one(
    z.object({ count: z.number() }),
    `select (select count(*) from replies where user_id = $1 and state in ('queued', 'running'))
       + (select count(*) from drawn_waiting w join replies r on r.message_id = w.message_id where r.user_id = $1) as count`,
    [userId],
  )
  return count
}

/** With all that was said in them; answers the secret parts of the names of their files. */
export async function deleteConversations(tx: Db, userId: number): Promise<string[]> {
  const gone = await tx.many(
    z.object({ snapshotKey: z.string() }),
    `delete from conversations where user_id = $1 returning snapshot_key`,
    [userId],
  )
  await tx.run(`delete from chat_texts where user_id = $1`, [userId])
  await tx.run(`delete from chat_drafts where user_id = $1`, [userId])
  await tx.run(`delete from chat_settings where user_id = $1`, [userId])
  return gone.map(({ snapshotKey }) => snapshotKey)
}
