import type { Mine } from '../work/mine.ts'
import { listSaved } from './queries.ts'

export const mine: Mine = {
  tables: { saved_prompts: null },
  async *papers({ db }, userId) {
    const saved = await listSaved(db, userId)
    if (saved.length > 0) yield { name: 'saved-prompts.json', content: saved }
  },
}
