import type { Mine } from '../work/mine.ts'
import { findPerson, listVisits } from './mine-queries.ts'

export const mine: Mine = {
  tables: { users: null, sign_ins: null, panel_calls: 'counts of a minute', window_tickets: 'of a minute, too' },
  async *papers({ db }, userId) {
    yield {
      name: 'account.json',
      content: { ...(await findPerson(db, userId)), signedIn: await listVisits(db, userId) },
    }
  },
}
