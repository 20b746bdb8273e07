import type { ObstacleView } from '../account/view.ts'
import type { BindForm, PayersView, SshKeyPage, SshKeyView } from '../agents/view.ts'
import type { JobView } from '../images/view.ts'
import type { Views } from '../web/views.gen.ts'

/** What the templates of the agents' room are rendered with. */
export function agentSamples(jobs: JobView[]): { [K in Extract<keyof Views, `agents/${string}`>]: Views[K][] } {
  const now = new Date('2026-03-01T12:00:00Z')
  const key: SshKeyView = {
    id: 'k',
    name: 'Laptop <b>',
    type: 'ssh-ed25519',
    fingerprint: 'SHA256:abc',
    apiKeyId: 1,
    apiKeyName: 'Main & more',
    proved: true,
    createdAt: now,
    lastUsedAt: now,
    tokens: 2,
    obstacle: null,
  }
  const obstacles: ObstacleView[] = [
    { why: 'inactive', key: 'Main & more', blocks: true, until: null, others: [] },
    { why: 'window_5h', key: 'Main & more', blocks: false, until: now, others: [] },
  ]
  const payer = {
    id: 1,
    name: 'Main',
    group: null,
    allowsImages: false,
    remaining: null,
    expiresAt: null,
    windows: [],
    honours: [],
    problem: null,
  }
  const payers: PayersView = { keys: [{ ...payer, chosen: false }], unavailable: false }
  const form: BindForm = { name: '', publicKey: '', apiKeyId: '', errors: {} }
  const errors = { name: 'Name it', publicKey: 'Not a key', apiKey: 'Choose' }
  const page: SshKeyPage = {
    name: key.name,
    key,
    proof: null,
    payers,
    limits: {
      picturesPerDay: '3',
      jobsAtOnce: '',
      spendPerDay: '1.5',
      spendTotal: '',
      sizes: '1024x1024',
      qualities: ['low'],
      errors: { picturesPerDay: 'A number', sizes: 'A size' },
    },
    qualities: ['low', 'medium', 'high', 'auto'],
    used: { pictures: 3, spent: 0.4, total: 12.5 },
    tokens: [{ id: 't', address: '192.0.2.7', device: 'Linux', createdAt: now, expiresAt: now }],
    jobs,
    quickStart: "export A=b\npython3 x.py --prompt 'y'",
    error: null,
  }
  const proof = { text: 'a\nb\n', namespace: 'n', command: "printf '%s\\n' 'a'", error: null }
  return {
    'agents/_payers': [{ payers, chosen: '1', id: 'api-key' }],
    'agents/_obstacle': obstacles.map(obstacle => ({ id: 'k', obstacle })),
    'agents/index': [
      {
        keys: [
          { ...key, obstacle: obstacles[1]! },
          { ...key, id: 'l', proved: false, lastUsedAt: null, tokens: 0 },
        ],
        form,
        payers,
      },
      { keys: [], form: { ...form, errors }, payers },
      { keys: [], form, payers: { keys: [], unavailable: true } },
      { keys: [], form, payers: { keys: [], unavailable: false } },
    ],
    'agents/show': [
      page,
      { ...page, jobs: [], tokens: [], payers: { keys: [], unavailable: true }, error: 'Not changed' },
      { ...page, key: { ...key, proved: false, obstacle: obstacles[0]! }, proof },
      { ...page, key: { ...key, proved: false }, proof: { ...proof, error: 'Wrong' } },
    ],
  }
}
