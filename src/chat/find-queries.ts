import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { type Conversation, likePattern } from './conversation-queries.ts'

const AROUND = 60

const Hit = z.object({
  id: z.string(),
  role: z.enum(['user', 'assistant', 'tool']),
  /** The words as they stand there, with what stands beside them. */
  before: z.string(),
  words: z.string(),
  after: z.string(),
})
export type Hit = z.output<typeof Hit>

/** Messages of all branches that have these words, the newest `limit`, in their order. */
export function listHits(db: Db, conversation: Conversation, words: string, limit: number): Promise<Hit[]> {
  return db.many(
    Hit,
    `with said as (
       select m.id, m.role, m.number, normalize(coalesce(r.text, c.prompt, m.text)) as text
       from chat_messages m left join replies r on r.message_id = m.id left join tool_calls c on c.message_id = m.id
       where m.conversation_id = $1 and m.deleted_at is null),
     hits as (
       select *, greatest(position(lower($2) in lower(text)), 1) as at from said where text ilike $3
       order by number desc limit $4)
     select id, role, substr(text, greatest(at - ${AROUND}, 1), least(at - 1, ${AROUND})) as before,
       substr(text, at, length($2)) as words, substr(text, at + length($2), ${AROUND}) as after
     from hits order by number`,
    [conversation.id, words.normalize(), likePattern(words), limit],
  )
}
