import type { MoneyView, PersonView, QueueView } from '../admin/view.ts'
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

const failures: QueueView['failures'] = [
  { reason: 'content_policy', charged: 'no', count: 3, kind: 'picture' },
  { reason: null, charged: 'unknown', count: 1, kind: 'answer' },
  { reason: 'upstream', charged: 'yes', count: 1, kind: 'answer' },
]
const line = { userId: 7, email: '<lighthouse>@x', queued: 3, running: 1, oldest: at }
const queue: QueueView = {
  hours: 24,
  pictures: { ...nobody, queued: 3, running: 1, oldest: at },
  answers: nobody,
  lines: [line, { ...line, userId: 8, email: null }],
  stuck: [
    { id: 'a', userId: 7, email: '<lighthouse>@x', why: 'lease', since: at, kind: 'picture' },
    { id: 'b', userId: 7, email: null, why: 'parked', since: at, kind: 'answer' },
    { id: 'c', userId: 7, email: null, why: 'spill', since: at, kind: 'picture' },
  ],
  failures,
}
const quality = {
  calls: 100,
  delivered: 90,
  failed: 4,
  paid: 91,
  chargedWithoutPicture: 1,
  downgraded: 2,
  estimateError: 0.034,
  p50: 21.3,
  p95: 80,
}
const none = { ...quality, calls: 0, delivered: 0, failed: 0, paid: 0, estimateError: null, p50: null, p95: null }
const outstanding = { underWay: 1, looking: 2, left: 3, oldest: at }
const money: MoneyView = {
  hours: 24,
  isCut: false,
  all: quality,
  groups: [
    { group: 'A <lighthouse>', model: 'gpt-image-2', ...quality },
    { group: null, model: 'gpt-image-2', ...none },
  ],
  outstanding,
  ofAll: [{ budget: 'house_day', limit: 100, spent: 40, held: 2 }],
  near: [
    { userId: 7, email: '<lighthouse>@x', usd: 4.5, period: 'day', limit: 5 },
    { userId: 8, email: null, usd: 51, period: 'month', limit: 50 },
  ],
}
const someone: PersonView = {
  id: 7,
  email: '<lighthouse>@example.com',
  role: 'user',
  createdAt: at,
  signedInAt: at,
  isLeaving: false,
  today: 1.2,
  month: 20,
  calls: 120,
  unsettled: 1,
  bytes: 123_456_789,
  files: 1,
  queued: 2,
  running: 1,
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
  const overview = {
    maintenance: null,
    queue,
    money,
    openReports: 2,
    largest: [someone],
    disk: { free: 1e9, size: 4e9 },
    processes: [{ id: 'p', role: 'web', version: '1.0.0', host: '<lighthouse>', startedAt: at, heardAt: at }],
    acts,
  }
  return {
    'admin/_acts': [{ acts }],
    'admin/_nav': (['overview', 'queue', 'people', 'money', 'bulletin', 'log'] as const).map(place => ({ at: place })),
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
    'admin/_failures': [{ failures }],
    'admin/_outstanding': [{ outstanding }, { outstanding: { ...outstanding, oldest: null } }],
    'admin/_people': [{ people: [someone, { ...someone, id: 8, email: '' }] }],
    'admin/_quality': [{ quality }, { quality: none }],
    'admin/_range': [1, 24, 168, 720].map(hours => ({ url: '/admin/queue', hours })),
    'admin/_tally': [
      { pictures: nobody, answers: nobody },
      { pictures: { queued: 2000, running: 4, parked: 1, oldest: at }, answers: nobody },
    ],
    'admin/index': [
      { overview },
      {
        overview: {
          ...overview,
          maintenance: { since: at, until: null },
          queue: { ...queue, failures: [], stuck: [] },
          openReports: 1,
          largest: [],
          acts: [],
        },
      },
    ],
    'admin/money': [{ told: money }, { told: { ...money, isCut: true, groups: [], ofAll: [], near: [], all: none } }],
    'admin/people': [
      { people: { q: '<lighthouse>', by: 'seen', people: [someone], older: '/admin/people?before=1' } },
      { people: { q: '', by: 'storage', people: [], older: null } },
    ],
    'admin/person': [
      { person: someone, acts },
      { person: { ...someone, email: '', role: 'admin', isLeaving: true, queued: 0 }, acts: [] },
    ],
    'admin/status': (['there', 'away', 'unknown'] as const).map(gateway => ({
      status: {
        gateway,
        queued: 2,
        waitSeconds: gateway === 'there' ? 1.2 : null,
        pictureSeconds: gateway === 'there' ? 21 : null,
        success: gateway === 'there' ? 0.98 : null,
        maintenance: gateway === 'unknown' ? { since: at, until: null } : null,
        at,
      },
    })),
    'admin/queue': [{ queue }, { queue: { ...queue, lines: [], stuck: [], failures: [] } }],
    'admin/log': [
      { log: { acts, who: null, older: '/admin/log?before=1' } },
      { log: { acts: [], who: person, older: null } },
      { log: { acts: [], who: gone, older: null } },
    ],
  }
}
