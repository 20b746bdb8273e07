import { actNames } from '../operators/act-queries.ts'
import type { Views } from '../web/views.gen.ts'

type AdminViews = Extract<keyof Views, `admin/${string}`>

const at = new Date('2026-03-01T12:00:00Z')
const person = { id: 7, email: 'alice<lighthouse>@example.com' }
const gone = { id: 8, email: null }

const nobody = { queued: 0, running: 0, parked: 0, oldest: null }
const announcement = { en: '<lighthouse>', zh: '<lighthouse>', startsAt: at, endsAt: at, withdrawnAt: null }
const quiet = {
  zone: 'Asia/Kathmandu',
  maintenance: null,
  pictures: nobody,
  answers: nobody,
  announcements: [],
  form: { id: 'f', en: '', zh: '', from: null, until: null, error: null },
}

export const bulletinSamples: { _bulletin: Views['_bulletin'][] } = {
  _bulletin: [
    { bulletin: { maintenance: null, announcements: [] } },
    { bulletin: { maintenance: { until: null }, announcements: [{ id: 'a', text: 'A <lighthouse>' }] } },
    { bulletin: { maintenance: { until: new Date('2096-03-01T12:00:00Z') }, announcements: [] } },
  ],
}

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
    'admin/_nav': (['overview', 'bulletin', 'log'] as const).map(place => ({ at: place })),
    'admin/bulletin': [
      { told: quiet },
      {
        told: {
          ...quiet,
          maintenance: { since: at, until: null },
          form: { ...quiet.form, en: '<lighthouse>', from: '2026-11-26T22:00', error: 'No' },
          announcements: (['told', 'planned', 'over'] as const).map(state => ({ ...announcement, id: state, state })),
        },
      },
      { told: { ...quiet, maintenance: { since: at, until: at }, pictures: { ...quiet.pictures, queued: 2 } } },
    ],
    'admin/index': [{ overview: { openReports: 2, acts } }, { overview: { openReports: 1, acts: [] } }],
    'admin/log': [
      { log: { acts, who: null, older: '/admin/log?before=1' } },
      { log: { acts: [], who: person, older: null } },
      { log: { acts: [], who: gone, older: null } },
    ],
  }
}
