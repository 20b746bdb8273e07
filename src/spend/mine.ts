import { inPapers, type Mine } from '../work/mine.ts'
import { copyOf } from './copy.ts'
import { listReceipts } from './copy-queries.ts'

export const mine: Mine = {
  tables: { receipts: null },
  papers: ({ db }, userId) => inPapers('receipts', (after, limit) => listReceipts(db, userId, after, limit), copyOf),
}
