import { translator } from '../web/i18n.ts'
import type { Mine, Paper, PaperDeps, PaperWords } from '../work/mine.ts'
import { exportMarkdown } from './archive/export.ts'
import { takeSnapshot } from './archive/snapshot.ts'
import { loadBranch } from './branch.ts'
import { stemOf } from './conversation-name.ts'
import type { Conversation } from './conversation-queries.ts'
import { listAllInLine } from './line-queries.ts'
import { listAllConversations, listDrafts } from './mine-queries.ts'
import { findSettings } from './settings-queries.ts'

export const mine: Mine = {
  tables: {
    conversations: null,
    chat_messages: null,
    chat_attachments: null,
    chat_texts: null,
    replies: null,
    tool_calls: null,
    chat_drafts: null,
    chat_line: null,
    chat_settings: null,
    reply_deltas: 'of answers that are being written',
    drawn_waiting: 'of pictures that are about to be filed',
  },
  async *papers(deps, userId, words) {
    const { model, effort, instructions, askBeforePaying } = await findSettings(deps.db, userId)
    yield { name: 'settings/chat.json', content: { model, effort, instructions, askBeforePaying } }
    const drafts = await listDrafts(deps.db, userId)
    if (drafts.length > 0) yield { name: 'drafts/chat.json', content: drafts }
    const waiting = await listAllInLine(deps.db, userId)
    if (waiting.length > 0) yield { name: 'drafts/in-line.json', content: waiting }
    for (let last: Conversation | null = null; ; ) {
      const some: Conversation[] = await listAllConversations(deps.db, userId, last, AT_ONCE)
      for (const conversation of some) yield* papersOf(deps, conversation, words)
      last = some.at(-1) ?? null
      if (!last) return
    }
  },
}

const AT_ONCE = 100

/** All branches for a program, the one that is shown for people. */
async function* papersOf(
  { db }: PaperDeps,
  conversation: Conversation,
  { language, fileOf }: PaperWords,
): AsyncGenerator<Paper> {
  const day = conversation.createdAt.toISOString().slice(0, 10)
  const name = `conversations/${day}-${stemOf(conversation)}-${conversation.id.slice(0, 8)}`
  yield { name: `${name}.json`, content: await takeSnapshot(db, conversation) }
  const branch = await loadBranch(db, conversation, conversation.head)
  const places = { picture: (token: string) => `../${fileOf(token) ?? ''}`, text: () => `${stemOf(conversation)}.json` }
  yield { name: `${name}.md`, content: exportMarkdown(conversation, branch, translator(language), places) }
}
