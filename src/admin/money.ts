import type { Deps } from '../deps.ts'
import { emailsOf } from '../session/admin-queries.ts'
import { countOutstanding, listLately, listNearBudget } from '../spend/admin-queries.ts'
import { standingOfAll, WARN_AT } from '../spend/budgets.ts'
import { qualityByGroup, qualityOf } from '../spend/quality.ts'
import type { MoneyView } from './view.ts'

const MOST_RECEIPTS = 5000
const PEOPLE_SHOWN = 50

/** What was paid for and what came of it in the last `hours`, of the newest calls; what is not settled; and budgets. */
export async function viewMoney(deps: Pick<Deps, 'db' | 'config'>, hours: number): Promise<MoneyView> {
  const { db, config } = deps
  const { userPerDay, userPerMonth } = config.budgets
  const near = async (period: 'day' | 'month', limit: number | null) => {
    if (limit === null) return []
    const found = await listNearBudget(db, period, limit * WARN_AT, PEOPLE_SHOWN)
    return found.map(each => ({ ...each, period, limit }))
  }
  const [receipts, outstanding, ofAll, days, months] = await Promise.all([
    listLately(db, hours, MOST_RECEIPTS),
    countOutstanding(db),
    standingOfAll(deps, db),
    near('day', userPerDay),
    near('month', userPerMonth),
  ])
  const budgeted = [...days, ...months]
  const emails = await emailsOf(
    db,
    budgeted.map(({ userId }) => userId),
  )
  return {
    hours,
    isCut: receipts.length === MOST_RECEIPTS,
    all: qualityOf(receipts),
    groups: qualityByGroup(receipts),
    outstanding,
    ofAll: ofAll.map(({ budget, limit, use }) => ({ budget, limit, spent: use.spent, held: use.held })),
    near: budgeted.map(each => ({ ...each, email: emails.get(each.userId) ?? null })),
  }
}
