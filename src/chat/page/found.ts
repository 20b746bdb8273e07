import type { Db } from '../../db/db.ts'
import type { Conversation } from '../conversation-queries.ts'
import { type Hit, listHits } from '../find-queries.ts'
import type { FoundView } from './view.ts'

const MOST_HITS = 200
const LONGEST_WORDS = 200

/** What is looked for in a conversation; null when nothing is, '' when that is to be typed. */
export function wordsToFind(query: Record<string, unknown>): string | null {
  return typeof query.find === 'string' ? query.find.trim().slice(0, LONGEST_WORDS).toWellFormed() : null
}

/** Where in a conversation words stand; `at`: the message that the reader is at. */
export async function loadFound(
  db: Db,
  conversation: Conversation,
  words: string,
  at: string | null,
): Promise<FoundView> {
  const hits = words ? await listHits(db, conversation, words, MOST_HITS + 1) : []
  const shown = hits.slice(-MOST_HITS)
  return {
    conversationId: conversation.id,
    words,
    hits: shown.map(hit => ({ ...hit, url: addressOf(conversation, words, hit) })),
    hasMore: hits.length > shown.length,
    index: shown.findIndex(hit => hit.id === at),
  }
}

/** Address of the last place where words stand, in which the reader begins; null where they do not. */
export async function newestHit(db: Db, conversation: Conversation, words: string | null): Promise<string | null> {
  const [hit] = words ? await listHits(db, conversation, words, 1) : []
  return hit ? addressOf(conversation, words!, hit) : null
}

function addressOf({ id }: Conversation, words: string, hit: Hit): string {
  return `/chat/${id}?${new URLSearchParams({ find: words, at: hit.id })}#m-${hit.id}`
}
