import { inPapers, type Mine } from '../work/mine.ts'
import { findBudgets, listOverrides } from './budget-queries.ts'
import { copyOf } from './copy.ts'
import { listReceipts, listUseByDay } from './copy-queries.ts'
import { listHabits } from './honour-queries.ts'

const MOST_OVERRIDES = 10_000

export const mine: Mine = {
  tables: {
    receipts: null,
    ssh_key_days: null,
    budgets: null,
    honours: null,
    budget_overrides: null,
    spend_days: 'sums of the receipts',
    reservations: 'what is held for calls to come, and gone with them',
  },
  async *papers({ db }, userId) {
    yield* inPapers('receipts', (after, limit) => listReceipts(db, userId, after, limit), copyOf)
    const use = await listUseByDay(db, userId)
    if (use.length > 0) yield { name: 'ssh-key-use.json', content: use }
    const habits = await listHabits(db, userId)
    if (habits.length > 0) yield { name: 'key-habits.json', content: habits }
    const [budgets, letThrough] = [await findBudgets(db, userId), await listOverrides(db, userId, MOST_OVERRIDES)]
    if (budgets || letThrough.length > 0) yield { name: 'settings/budgets.json', content: { budgets, letThrough } }
  },
}
