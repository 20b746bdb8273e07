import type { Mine } from '../work/mine.ts'

export const mine: Mine = {
  tables: {
    operator_acts: 'what operators did, and why',
    announcement_dismissals: 'which announcements were put away',
  },
}
