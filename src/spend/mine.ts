import { inPapers, type Mine } from '../work/mine.ts'
import { copyOf } from './copy.ts'
import { listReceipts, listUseByDay } from './copy-queries.ts'

export const mine: Mine = {
  tables: { receipts: null, ssh_key_days: null, reservations: 'what is held for calls to come, and gone with them' },
  async *papers({ db }, userId) {
    yield* inPapers('receipts', (after, limit) => listReceipts(db, userId, after, limit), copyOf)
    const use = await listUseByDay(db, userId)
    if (use.length > 0) yield { name: 'ssh-key-use.json', content: use }
  },
}
