import type { Conversation } from './conversation-queries.ts'

/** What a file of it is called, without what it ends in. */
export function stemOf({ title }: Pick<Conversation, 'title'>): string {
  const stem = title
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
  return stem.slice(0, 48).toWellFormed() || 'conversation'
}
