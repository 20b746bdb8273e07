import type { Db } from '../db/db.ts'

/** The channel on which processes tell each other what changed; a payload is `<conversation> <what>` or `stop <message>`. */
export const CHANNEL = 'chat'

/** Heard at commit: `text` when more of an answer has come, `balance` after a payment, `change` for anything else. */
export async function tellPages(db: Db, conversationId: string, what: 'text' | 'change' | 'balance'): Promise<void> {
  await db.run(`select pg_notify($1, $2)`, [CHANNEL, `${conversationId} ${what}`])
}
