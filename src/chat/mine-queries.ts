import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { Conversation } from './conversation-queries.ts'

/** Those that are not deleted, the newest first. */
export function listAllConversations(
  db: Db,
  userId: number,
  before: Conversation | null,
  limit: number,
): Promise<Conversation[]> {
  return db.many(
    Conversation,
    `select * from conversations
     where user_id = $1 and deleted_at is null and ($2::timestamptz is null or (updated_at, id) < ($2, $3::uuid))
     order by updated_at desc, id desc limit $4`,
    [userId, before?.updatedAt ?? null, before?.id ?? null, limit],
  )
}

const Draft = z.object({ place: z.string(), form: z.unknown(), updatedAt: z.date() })

/** What was typed and not sent, by the conversation that it is for. */
export function listDrafts(db: Db, userId: number): Promise<z.output<typeof Draft>[]> {
  return db.many(Draft, `select place, form, updated_at from chat_drafts where user_id = $1 order by updated_at`, [
    userId,
  ])
}
