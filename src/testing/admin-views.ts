import { actNames } from '../operators/act-queries.ts'
import type { Views } from '../web/views.gen.ts'

type AdminViews = Extract<keyof Views, `admin/${string}`>

const at = new Date('2026-03-01T12:00:00Z')
const person = { id: 7, email: 'alice<lighthouse>@example.com' }
const gone = { id: 8, email: null }

/** What the templates of operators are rendered with in tests. */
export function adminSamples(): { [K in AdminViews]: Views[K][] } {
  const acts = actNames.map((act, index) => ({
    at,
    act,
    subject: index % 2 ? 'a-picture' : null,
    reason: index % 3 ? '<lighthouse>' : '',
    count: index % 2 ? 3 : null,
    by: index === 0 ? null : index === 1 ? gone : person,
    whom: index % 2 ? person : null,
  }))
  return {
    'admin/_acts': [{ acts }],
    'admin/_nav': (['overview', 'log'] as const).map(place => ({ at: place })),
    'admin/index': [{ overview: { openReports: 2, acts } }, { overview: { openReports: 1, acts: [] } }],
    'admin/log': [
      { log: { acts, who: null, older: '/admin/log?before=1' } },
      { log: { acts: [], who: person, older: null } },
      { log: { acts: [], who: gone, older: null } },
    ],
  }
}
