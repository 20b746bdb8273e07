import { sealKeyForReply } from '../account/key.ts'
import { type Requester, usableKey } from '../account/requester.ts'
import type { Deps } from '../deps.ts'
import { tellChange } from './archive/keep.ts'
import { tellPages } from './notify-queries.ts'
import { changeReplyKey, type Reply, releaseReplies, stopReply } from './reply-queries.ts'

/**
 * An answer that waits for a window of its key is paid with the asker's key instead, at once; nothing when it waits no
 * more. Throws `Refusal` 409 without a usable key.
 */
export async function payInstead(
  deps: Pick<Deps, 'db' | 'sealer'>,
  { userId, account }: Requester,
  reply: Reply,
): Promise<void> {
  const key = usableKey(account, 'words')
  const keySecret = sealKeyForReply(deps, userId, reply.messageId, key.keySecret)
  await deps.db.transaction(async tx => {
    if (await changeReplyKey(tx, reply, { ...key, keySecret })) await tellPages(tx, reply.conversationId, 'change')
  })
}

/** Ends an answer that waits, or asks the worker that writes it to stop. */
export async function stopAnswer(deps: Pick<Deps, 'db'>, reply: Reply): Promise<void> {
  await deps.db.transaction(async tx => {
    if (await stopReply(tx, reply)) await tellChange(tx, { id: reply.conversationId, userId: reply.userId })
  })
}

/** What waits for a window of this key need not wait any more: it is open. */
export async function letGo(deps: Pick<Deps, 'db'>, userId: number, keyId: number): Promise<void> {
  for (const reply of await releaseReplies(deps.db, userId, keyId))
    await tellPages(deps.db, reply.conversationId, 'change')
}
