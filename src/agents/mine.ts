import type { Mine } from '../work/mine.ts'
import { listKeysGiven } from './mine-queries.ts'

export const mine: Mine = {
  tables: {
    ssh_keys: null,
    ssh_tokens: 'what scripts are signed in by',
    ssh_challenges: 'questions of a minute',
    agent_tasks: 'which job a script asked for, which the jobs say',
  },
  async *papers({ db }, userId) {
    const keys = await listKeysGiven(db, userId)
    if (keys.length > 0) yield { name: 'ssh-keys.json', content: keys }
  },
}
