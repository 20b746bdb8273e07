import pLimit from 'p-limit'
import type { Db } from '../../db/db.ts'
import type { Deps } from '../../deps.ts'
import { forgetConversations } from '../../images/job-queries.ts'
import { nameUnwanted } from '../../library/named-queries.ts'
import { forgetNames } from '../../spend/queries.ts'
import { tell } from '../../work/news-queries.ts'
import {
  type Conversation,
  findConversation,
  holdSnapshotKey,
  lockSnapshot,
  purgeConversations,
} from '../conversation-queries.ts'
import { takeSnapshot } from './snapshot.ts'

// Each holds a connection of the database for as long as the store takes: a slow one must leave some to others.
const writing = pLimit(2)

/** An object of the store, beside the pictures. */
export function snapshotName(key: string): string {
  return `${key}.conversation`
}

/** In the transaction that changes it: its file follows. */
export async function tellChange(tx: Db, { id, userId }: Pick<Conversation, 'id' | 'userId'>): Promise<void> {
  await tell(tx, 'conversation-changed', { userId, subject: id })
}

/** Writes the file of a conversation as it is now. Safe to repeat. Throws `StorageError`. */
export async function writeSnapshot(
  deps: Pick<Deps, 'db' | 'storage'>,
  conversation: Pick<Conversation, 'id' | 'userId'>,
): Promise<void> {
  await writing(() => write(deps, conversation))
}

function write(deps: Pick<Deps, 'db' | 'storage'>, { id, userId }: Pick<Conversation, 'id' | 'userId'>): Promise<void> {
  return deps.db.transaction(async tx => {
    // One after the other: an older state must not come last.
    await lockSnapshot(tx, { id })
    const key = await holdSnapshotKey(tx, userId, id)
    const conversation = await findConversation(tx, userId, id)
    if (!key || !conversation) return
    const text = JSON.stringify({ ...(await takeSnapshot(tx, conversation)), userId }, null, 2)
    await deps.storage.put(snapshotName(key), Buffer.from(`${text}\n`), {
      contentType: 'application/json',
      withoutCopies: true,
    })
  })
}

/**
 * Conversations deleted more than `days` ago go for good, with what others know of their names; how many. Their files
 * are named in the same transaction, and deleted like everything that nobody wants any more, until that succeeds.
 */
export function forgetDeleted({ db }: Pick<Deps, 'db'>, days: number): Promise<number> {
  return db.transaction(async tx => {
    const gone = await purgeConversations(tx, days)
    await nameUnwanted(
      tx,
      gone.map(({ snapshotKey }) => snapshotName(snapshotKey)),
    )
    const ids = gone.map(({ id }) => id)
    await forgetConversations(tx, ids)
    await forgetNames(tx, ids)
    return gone.length
  })
}
