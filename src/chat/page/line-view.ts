import type { Db } from '../../db/db.ts'
import { hasWords } from '../../web/i18n.ts'
import type { Conversation } from '../conversation-queries.ts'
import { endOf } from '../line.ts'
import { type InLine, listLine } from '../line-queries.ts'
import type { LineView } from './view.ts'

/** The messages of a conversation that wait, in the order in which they go. */
export async function loadLine(db: Db, conversation: Conversation): Promise<LineView[]> {
  const rows = await listLine(db, conversation)
  const [first] = rows
  if (!first) return []
  const { state } = await endOf(db, conversation, first)
  const isOpen = state === 'writing' || state === 'painting' || state === 'asked'
  return rows.map((row, index) => ({
    id: row.id,
    conversationId: row.conversationId,
    text: row.text || row.attachments.map(each => ('token' in each ? each.name : '')).join(' '),
    files: row.attachments.length,
    held: heldOf(row),
    waitsFor: index > 0 ? 'line' : isOpen ? state : null,
  }))
}

/** In words of a version that may be another than that which held it. */
function heldOf({ held }: InLine): LineView['held'] {
  if (!held) return null
  const key = hasWords(held.key) ? held.key : 'chat.line.after.restored'
  const see = held.see && hasWords(held.see.words) ? { href: held.see.href, words: held.see.words } : null
  return { key, params: held.params, see }
}
