import type { Mine } from '../work/mine.ts'
import { findChoices } from './mine-queries.ts'

export const mine: Mine = {
  tables: { accounts: null },
  async *papers({ db }, userId) {
    const choices = await findChoices(db, userId)
    if (choices) yield { name: 'settings/account.json', content: choices }
  },
}
