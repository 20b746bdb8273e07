import type { Deps } from '../../deps.ts'
import { purgeConversations } from '../conversation-queries.ts'
import { deleteSnapshot } from './snapshot.ts'

/** Conversations deleted more than `days` ago go for good, with their files; how many. */
export async function forgetDeleted(deps: Pick<Deps, 'db' | 'config'>, days: number): Promise<number> {
  const gone = await purgeConversations(deps.db, days)
  for (const conversation of gone) await deleteSnapshot(deps, conversation)
  return gone.length
}
