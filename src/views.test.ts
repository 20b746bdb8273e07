import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { HTMLElement, parse } from 'node-html-parser'
import type { Honour } from './account/honours.ts'
import { type KeysView, keyProblems, type ObstacleView } from './account/view.ts'
import { type Charged, failureReasons } from './gateway/errors.ts'
import { windowNames } from './gateway/windows.ts'
import type { Advice } from './images/advice.ts'
import { moves } from './images/place.ts'
import type { BatchForm, BatchView, ComposerView, JobView, QuoteView } from './images/view.ts'
import type { PictureView } from './library/view.ts'
import { capabilities } from './models/image-models.ts'
import { type Evidence, moneyOf } from './spend/evidence.ts'
import { describe as inWords, sentencesOf } from './spend/sentences.ts'
import { adminSamples, bulletinSamples } from './testing/admin-views.ts'
import { agentSamples } from './testing/agent-views.ts'
import { budgetSamples } from './testing/budget-views.ts'
import { chatExceptions, chatSamples } from './testing/chat-views.ts'
import { deriveSamples } from './testing/derive-views.ts'
import { exportSamples } from './testing/export-views.ts'
import { gallerySamples } from './testing/gallery-views.ts'
import { importSamples } from './testing/import-views.ts'

import { changed, details, librarySamples, noDetails } from './testing/library-views.ts'
import { paletteSamples } from './testing/palette-views.ts'

import { suggestionSamples } from './testing/prompt-views.ts'
import { declaredRoutes } from './testing/routes.ts'
import { sampleReceipt, spendSamples, sumSamples } from './testing/spend-views.ts'
import { type Language, languages, readCatalogue } from './web/i18n.ts'
import { createPage } from './web/page.ts'
import { renderView } from './web/render.ts'
import { loadStaticFiles } from './web/static.ts'
import type { Views } from './web/views.gen.ts'

const root = path.join(import.meta.dirname, '..')
const files = loadStaticFiles()
const now = new Date('2026-03-01T12:00:00Z')

const picture: PictureView = {
  id: 'picture-a',
  url: '/files/a',
  thumbUrl: '/files/a/thumb',
  downloadUrl: '/files/a?download',
  width: 1536,
  height: 1024,
  format: 'png',
  bytes: 1_234_567,
  hasAlpha: false,
  color: '#aabbcc',
  prompt: 'A <lighthouse> & "rain"',
  model: 'gpt-image-2',
  requestedSize: 'auto',
  quality: 'high',
  jobId: 'job-a',
  origin: 'made',
  condition: 'whole',
  original: null,
  changedOutside: null,
  derived: null,
  hasSources: false,
  favourite: false,
  createdAt: now,
  deletedAt: null,
}
const trashed: PictureView = { ...picture, id: 'picture-b', hasAlpha: true, favourite: true, deletedAt: now }

const uploaded: PictureView = {
  ...picture,
  id: 'picture-u',
  origin: 'uploaded',
  prompt: '',
  model: '',
  requestedSize: '',
  quality: '',
  jobId: null,
}

const preview: PictureView = { ...picture, id: 'picture-p', condition: 'preview' }
const incomplete: PictureView = {
  ...picture,
  id: 'picture-i',
  condition: 'incomplete',
  original: { url: '/files/a/original', format: 'jpeg', bytes: 1000 },
}
const undecodable: PictureView = { ...picture, id: 'picture-x', condition: 'undecodable', format: 'bin' }

const done: JobView = {
  id: 'done',
  state: 'done',
  tag: 'done.3',
  isOpen: false,
  model: 'gpt-image-2',
  prompt: 'A <lighthouse> & "rain"',
  size: '1024x1024',
  width: 1536,
  height: 1024,
  quality: 'high',
  n: 3,
  format: 'webp',
  background: 'auto',
  moderation: 'low',
  compression: 80,
  createdAt: now,
  startedAt: now,
  finishedAt: now,
  parked: false,
  waitsUntil: null,
  waitsFor: null,
  slowed: false,
  atOnce: null,
  needsKey: null,
  missing: null,
  keyId: 1,
  place: null,
  isStarting: false,
  usual: null,
  blocked: null,
  preview: null,
  references: [],
  maskUrl: null,
  otherShape: false,
  pictures: [picture, trashed],
  unfetched: [],
  arrived: 2,
  cancelling: false,
  safe: null,
  failure: null,
  cost: 0.4,
  estimate: 0.4,
  madeBy: null,
  sentences: { what: 'images.state.done', next: [] },
  money: moneyOf('yes', 0.4, null),
  mayCheck: false,
  mayDismiss: true,
  batch: null,
  nextSubmission: 's2',
}
const unfinished = { finishedAt: null, pictures: [], arrived: 0, cost: null }
const queued: JobView = {
  ...done,
  ...unfinished,
  id: 'queued',
  state: 'queued',
  startedAt: null,
  place: 2,
  usual: { from: 40, to: 70 },
}
const running: JobView = {
  ...done,
  ...unfinished,
  id: 'running',
  state: 'running',
  preview: { url: '/files/p', step: 1 },
  pictures: [{ ...picture, id: 'picture-c' }],
}
const failed = failureReasons.flatMap(reason =>
  (['yes', 'no', 'unknown'] as const).map(charged => ({
    ...done,
    id: `failed-${reason}-${charged}`,
    state: 'failed' as const,
    pictures: [],
    failure: { reason, charged, detail: 'moderation_blocked <b>', field: 'size', retryAt: now, requestId: 'r1' },
    sentences: sentencesOf({ of: 'picture', state: 'failed', reason, charged }),
    money: moneyOf(charged, charged === 'yes' ? 0.4 : null, null),
  })),
)
const jobs: JobView[] = [
  done,
  queued,
  running,
  { ...queued, id: 'blocked', blocked: 'store' },
  { ...queued, id: 'blocked-too', blocked: 'spill' },
  { ...queued, id: 'limited', waitsUntil: now },
  { ...queued, id: 'slowed', waitsUntil: now, slowed: true },
  { ...queued, id: 'crowded', atOnce: 1 },
  { ...queued, id: 'crowded-too', atOnce: 2 },
  { ...queued, id: 'parked', parked: true },
  { ...queued, id: 'full', waitsUntil: now, waitsFor: '5h', size: 'auto', estimate: 0.2 },
  { ...queued, id: 'poor', missing: 0.034 },
  { ...queued, id: 'keyless', needsKey: 'A <key>' },
  { ...done, id: 'stretched', otherShape: true, pictures: [] },
  { ...running, id: 'cancelling', cancelling: true, pictures: [] },
  { ...running, id: 'safe', safe: { since: now, away: false }, pictures: [] },
  { ...running, id: 'safe-away', safe: { since: null, away: true }, cancelling: true, pictures: [] },
  { ...done, id: 'emptied', pictures: [] },
  { ...done, id: 'parts', pictures: [incomplete, undecodable, preview], arrived: 1 },
  { ...done, id: 'short', pictures: [{ ...picture, id: 'picture-d' }], failure: failed[0]!.failure },
  { ...failed[0]!, id: 'unknown', state: 'unknown' },
  { ...failed[0]!, id: 'cancelled', state: 'cancelled', failure: null },
]
const unknownPrice: QuoteView = {
  each: null,
  total: null,
  least: null,
  n: 1,
  refused: null,
  overBalance: null,
  balanceAfter: 12.366,
  byTokens: null,
  usual: null,
  terms: '',
}
const quotes: QuoteView[] = [
  { ...unknownPrice, each: 0.2, total: 0.8, n: 4, terms: '0.2/0.2/0.2', usual: { from: 40, to: 70 } },
  { ...unknownPrice, each: 0.2, total: 0.8, least: 0.4, overBalance: 0.1 },
  { ...unknownPrice, byTokens: { usd: 0.21, isSeen: false } },
  { ...unknownPrice, each: 0.2, total: 0.2, byTokens: { usd: 0.21, isSeen: true } },
  unknownPrice,
  ...(['not_a_size', 'multiple_of_16', 'longest_edge', 'ratio', 'too_few_pixels', 'too_many_pixels'] as const).map(
    rule => ({ ...unknownPrice, refused: { rule, nearest: '1024x1024' } }),
  ),
]
const values = {
  prompt: '<typed>',
  width: '',
  height: '',
  compression: '',
  references: [],
  refused: [],
  mask: '',
  ...stringValues(capabilities[0]!.defaults),
}
const refused = { value: 'damaged a <b>.png', name: 'a <b>.png', sentence: 'Not a picture' }
const composer: ComposerView = {
  advice: { kind: 'larger', size: '2048x1360' },
  values: { ...values, model: 'gpt-image-2' },
  references: [],
  refused: [],
  mask: null,
  followsPicture: false,
  errors: {},
  models: [...capabilities],
  quote: quotes[0]!,
  submission: 's1',
  draft: 'd1 4',
  obstacle: null,
  keys: [
    { id: 1, name: 'Main', group: 'Studio' },
    { id: 2, name: 'Weekend', group: null },
  ],
  why: 'cheapest',
}
const keptDrafts = ['a lighthouse <b>', '', 'a fox'].map((words, at) => ({
  page: `page-${at}`,
  words,
  files: at,
  isDraft: at === 0,
}))
const savedPrompts = ['a', 'b'].map(id => ({
  field: 'saved' as const,
  id,
  name: `<b> ${id}`,
  text: 'A {place} & "rain"',
  slots: id === 'a' ? ['place', '<i>'] : [],
  references: id === 'a' ? 2 : 0,
}))
const ourPrompt = { field: 'idea' as const, id: 'food.tea', name: null, text: 'Tea', slots: [], references: 0 }
const ways = (['all', 'made', 'open', 'nothing'] as const).map(kind => ({
  kind,
  href: `/images?show=${kind}`,
  isChosen: kind === 'made',
}))
const reference = { token: 'a', url: '/files/a', thumbUrl: '/files/a/thumb', width: 1536, height: 1024 }
const mask = { id: 'm1', url: '/images/masks/m1', width: 1536, height: 1024 }
const others = [{ id: 9, name: 'other <b>', group: null, allowsImages: true, prices: null, isPlan: false }]
const obstacles: ObstacleView[] = [
  ...keyProblems,
  'no_store' as const,
  'no_key' as const,
  'group_no_images' as const,
  'no_balance' as const,
  ...windowNames.map(window => `window_${window}` as const),
].map(why => ({ why, key: 'mine', blocks: true, until: why.startsWith('window') ? now : null, others }))
const badComposer: ComposerView = {
  ...composer,
  references: [reference, { ...reference, token: 'b' }],
  refused: [refused],
  mask,
  followsPicture: true,
  models: [...capabilities, { ...capabilities[0]!, id: 'gpt-image-3', label: 'gpt-image-3', freeSize: null }],
  errors: { prompt: 'Too long', size: 'No', quality: 'No', n: 'No', format: 'No', form: 'No' },
  obstacle: obstacles[0]!,
}
const windows = [
  { window: '5h' as const, limit: 2, used: 2, resetsAt: now, isFull: true },
  { window: '1d' as const, limit: 2, used: 0, resetsAt: null, isFull: false },
]
const habit: Honour = {
  keyId: 1,
  keyGroup: 'images',
  model: 'gpt-image-2',
  parameter: 'size',
  verdict: 'ignored',
  since: now,
  asked: '1024x1024',
  came: '<x>',
}
const advices: Advice[] = [
  { kind: 'larger', size: '2048x1360' },
  { kind: 'not_honoured', honour: { ...habit, verdict: 'changed' }, other: { id: 2, name: 'B <key>' } },
  { kind: 'not_honoured', honour: habit, other: null },
  { kind: 'smaller', size: '1024x816', tier: '1K', usd: 0.134, before: 0.201 },
  { kind: 'no_previews', name: 'A <key>', keyId: 1, usd: 0.04, before: 0.127 },
  { kind: 'other_key', name: 'B <key>', keyId: 2, usd: 0.04, before: 0.134 },
]
const key = {
  id: 1,
  name: 'mine',
  group: 'images',
  allowsImages: true,
  remaining: 2,
  expiresAt: now,
  windows,
  honours: (['honoured', 'ignored', 'changed'] as const).map(verdict => ({ ...habit, verdict })),
  chosen: true,
}
const keys: KeysView = {
  keys: [
    { ...key, problem: null },
    { ...key, id: 2, chosen: false, problem: null },
    { ...key, id: 3, chosen: false, remaining: null, group: null, problem: 'no_group' },
  ],
  groups: [{ id: 7, name: 'images', description: '', allowsImages: true, multiplier: 1.5 }],
  submission: 's1',
  next: '/account',
  error: 'Refused',
  unavailable: false,
}
const signIn = { id: 's', device: 'Chrome on Windows', address: '::1', createdAt: now, lastSeenAt: now, current: true }
const typed = {
  action: '/chat/c1/messages',
  words: [{ name: 'text', value: '<b>half</b> a thought' }],
  rest: [{ name: 'parent', value: 'm1' }],
}
const fault = { status: 401, title: 'A title', message: 'A message', see: null, requestId: 'r1' }
const login = { email: '', next: '/', error: 'Wrong', notice: 'Bye', gatewayUrl: 'https://g.example', siteName: 'G' }

const lineage = { ancestors: [{ picture: uploaded, depth: 1 }], descendants: [{ picture: trashed, depth: 2 }] }
const line = { prompt: '<typed>', error: null }
const batchForm: BatchForm = {
  choices: true,
  ...composer,
  prompts: '<typed>',
  references: [reference],
  lines: [line, { ...line, error: 'Too long' }],
  each: quotes[1]!,
  warning: habit,
  previewed: 'p',
  limit: 50,
}
const batch: BatchView = {
  id: 'batch-a',
  tag: '1-1.0',
  paused: false,
  createdAt: now,
  counts: { queued: 1, running: 1, done: 1, failed: 0, unknown: 0, cancelled: 0 },
  total: 3,
  usd: 0.6,
  isSettled: false,
  jobs: [done, { ...queued, id: 'waits', batch: { id: 'batch-a', paused: true } }, running],
}
const lookedAt = { at: now, until: null, usageId: null, candidates: [] }
const candidates = [{ usageId: 17, at: now, model: 'gpt-image-2', bill: null, cost: 0.134 }]
const evidences: (Evidence | null)[] = [
  null,
  { ...lookedAt, outcome: 'charged', usageId: 17 },
  { ...lookedAt, outcome: 'not_charged' },
  { ...lookedAt, outcome: 'too_early', until: new Date(Date.now() + 600_000) },
  { ...lookedAt, outcome: 'unheard' },
  { ...lookedAt, outcome: 'unclear' },
  { ...lookedAt, outcome: 'unclear', candidates },
  { ...lookedAt, outcome: 'decided' },
]
const monies = (['yes', 'no', 'unknown'] as const).flatMap(charged =>
  [null, 0.134].flatMap(cost => evidences.map(evidence => moneyOf(charged, cost, evidence))),
)

const question = { action: '/images/x/retry', sentence: 'It <b> costs', terms: '0.2/0.2/0.2', fields: { n: '<1>' } }

/** What every template is rendered with; a template without an entry is a type error. */
const samples: { [K in Exclude<keyof Views, 'layout'>]: Views[K][] } = {
  error: [
    { ...fault, form: null, see: { href: '/spend/budgets', words: 'spend.budget.link' } },
    { ...fault, requestId: null, form: typed },
  ],
  _typed: [
    { form: typed, sentence: 'Not <sent>', droppable: true },
    { form: typed, sentence: 'Not <sent>', droppable: false },
  ],
  _error: [{ ...fault, back: '/chat/c1?at=m1' }],
  _file: [
    { id: 'file', accept: '.pub' },
    { id: 'zip', accept: '.zip', required: true },
  ],
  _held: [{}],
  _said: [
    { said: { sentence: 'Not <so>', see: null } },
    { said: { sentence: 'Not <so>', see: { href: '/spend/budgets', words: 'spend.budget.link' } } },
  ],
  _keyboard: [{}],
  'account/_balance': [{ place: 'rail' }, { place: 'page' }],
  'account/_balances': [{}],
  'account/_key': [{}],
  'account/_key_changed': [{}],
  'account/_obstacle': [null, ...obstacles].flatMap(obstacle =>
    (['form', 'nothing'] as const).map(swaps => ({ obstacle, next: '/images', post: '/images/key', swaps })),
  ),
  'account/_keys': [
    { keys },
    { keys: { keys: [], groups: [], submission: 's', next: '/account', error: null, unavailable: true } },
  ],
  'account/index': [
    {
      keys,
      signIns: [signIn, { ...signIn, id: 't', current: false }],
      editPreviews: { on: true, byTokens: 0.21, byPicture: null },
      hushed: 2,
      days: { zone: 'Asia/Tokyo', zones: ['UTC', 'Asia/Tokyo'] },
      pendingNotice: 'Done',
      asOf: '2026-08-21T10:00:00.000Z',
    },
  ],
  'images/_clear': [
    { dismissed: null, count: 1 },
    { dismissed: '2026-03-01T12:00:00.000001Z', count: 3 },
  ],
  'images/_dismissed': [{ ids: ['j1', 'j2'], at: '2026-03-01T12:00:00.000001Z' }],
  'images/_batch': [{ batch }, { batch: { ...batch, paused: true } }],
  'images/_batch_form': [{ batch: batchForm }],
  'images/_batch_preview': [
    { batch: batchForm },
    { batch: { ...batchForm, lines: [], warning: null, errors: { prompts: 'Write' } } },
  ],
  'images/batch': [{ batch: batchForm }],
  'images/batch_show': [{ batch }],
  'images/_mask': [
    { mask, reference },
    { mask: null, reference: null },
  ],
  'images/_mask_error': [{ sentence: 'Too small' }],
  'images/mask': [
    { reference, painted: reference, mask, values: { x: '', y: '', width: '', height: '' }, sentence: 'Too small' },
    { reference, painted: reference, mask: null, values: { x: '1', y: '1', width: '1', height: '1' }, sentence: null },
  ],
  'images/_reference': [{ reference }],
  'images/_place': moves.map(to => ({ id: 'j1', to })),
  'images/_kept_draft': keptDrafts.map(draft => ({ draft, at: '/images' as const })),
  'images/_kept_drafts': [
    { kept: [], putAway: null, at: '/images' },
    { kept: keptDrafts, putAway: keptDrafts[0]!.page, at: '/chat' },
  ],
  'images/_references': [{ composer }, { composer: badComposer }],
  'library/_not_arrived': [{ to: '/chat/draft' }],
  'library/_refused': [
    { file: refused, to: '/chat/draft', swaps: false },
    { file: refused, to: '/images/batch', swaps: true },
  ],
  'images/_variations': [{ job: done }],
  'spend/_verdict': monies.map(verdict => ({
    id: 'v',
    address: '/images/v',
    verdict,
    mayCheck: verdict.charged === 'unknown',
  })),
  'library/_changed': [
    { picture: { ...picture, changedOutside: 0.12 } },
    { picture: { ...picture, changedOutside: 0 } },
  ],
  'library/_lineage': [{ picture, lineage }],
  'library/compare': [{ a: picture, b: uploaded }],
  'images/_advice': [{ advice: null }, ...advices.map(advice => ({ advice }))],
  'images/_quoted': [{ quote: unknownPrice, advice: null }],
  'images/_arrival': [{ job: queued }],
  'images/_arrived': [{ jobs: [queued, done], unfinished: [queued] }],
  'images/_composer': [{ composer }, { composer: badComposer }],
  'images/_created': [
    { job: queued, again: false, unfinished: [queued], composer, retried: null },
    { job: queued, again: true, unfinished: [queued], composer: null, retried: jobs.at(-1)! },
  ],
  'images/_doubt': [{ question }],
  'images/_estimate': [
    { usd: 0.2, size: 'auto' },
    { usd: 0.2, size: '1024x1024' },
  ],
  'images/_failure': [...failed, jobs.at(-1)!].map(job => ({ job })),
  'images/_unfetched': [{ job: { ...done, unfetched: [{ url: 'https://g.example/a?b=c', host: 'g.example' }] } }],
  'images/_go_on': [{ question, swaps: true }],
  'images/_job': jobs.map(job => ({ job })),
  'images/_job_page': jobs.map((job, at) => ({ job, receipt: at % 2 ? sampleReceipt : null })),
  'images/_mosaic': [
    { job: done, columns: 2 },
    { job: running, columns: 1 },
  ],
  'images/_not_honoured': [{ honour: habit }, { honour: { ...habit, verdict: 'changed' } }],
  'images/_older': [{ days: [{ label: 'Today', jobs: [done] }], older: '/images?before=1' }],
  'images/_pulse': [{ jobs: [queued, running] }, { jobs: [] }],
  'images/_quote': quotes.map(quote => ({ quote })),
  'images/_retry': failed.slice(0, 3).map(job => ({ job })),
  'images/_tiles': [{ changed: jobs, unfinished: [running] }],
  'images/_wait': [{ job: queued }, { job: { ...queued, place: 1, isStarting: true } }, { job: running }],
  'images/_unsent': [{}],
  'images/_usual': [{ usual: { from: 40, to: 70 } }, { usual: { from: 180, to: 300 } }],
  'images/_word': [{ word: 'high' }],
  'images/doubt': [{ question }],
  ...suggestionSamples,
  'prompts/_prompt': [...savedPrompts, ourPrompt].map(prompt => ({ prompt })),
  'prompts/_saved': [{ id: 'a', name: '<b>' }],
  'prompts/index': [
    { mine: [], suggested: [], subjects: [], deleted: null },
    {
      mine: savedPrompts,
      suggested: [
        { id: 'a', kind: 'improve' as const, words: 'A <red> fox' },
        { id: 'b', kind: 'describe' as const, words: '' },
      ],
      subjects: [
        {
          subject: 'food',
          words: 'prompts.subjects.food' as const,
          drawing: 'examples/food.svg',
          prompts: [ourPrompt],
        },
      ],
      deleted: { name: '<b>', values: { ...composer.values, references: ['a'.repeat(24)] } },
    },
  ],
  'images/_prompts': [{ prompts: ['a <b>', 'two\nlines'] }],
  'images/_history': [{ history: { q: '"<b>', show: 'all', ways, isNarrow: false } }],
  'images/index': [
    {
      composer,
      days: [{ label: 'Today', jobs }],
      older: '/images?before=1',
      history: { q: 'fox', show: 'made', ways, isNarrow: true },
      arrivals: null,
      unfinished: [queued, running],
      dismissed: null,
      kept: keptDrafts,
      undo: '/images?suggested=a&as=typed',
      shareAgain: true,
      putAway: null,
      examples: [],
    },
    {
      composer: badComposer,
      days: [{ label: 'Today', jobs: [] }],
      older: null,
      history: null,
      arrivals: '/images/arrivals?after=1',
      unfinished: [],
      dismissed: '2026-03-01T12:00:00.000001Z',
      kept: [],
      undo: null,
      shareAgain: false,
      putAway: 'page-1',
      examples: ['lighthouse', 'fox'],
    },
  ],
  'images/show': jobs.map((job, at) => ({ job, receipt: at % 2 ? sampleReceipt : null })),
  'library/_condition': [{ picture: preview }, { picture: incomplete }, { picture: undecodable }],
  'library/_facts': [{ picture }, { picture: uploaded }, { picture: incomplete }, { picture: undecodable }],
  'library/_lightbox': [{}],
  'library/_tile': [
    { picture },
    { picture: trashed },
    { picture: uploaded },
    { picture: preview },
    { picture: incomplete },
    { picture: undecodable },
  ],
  'library/_details': [
    { picture, details },
    { picture: uploaded, details: noDetails },
  ],
  'library/show': [
    {
      picture,
      newer: '/library/x',
      older: '/library/y',
      back: '/library',
      lineage,
      details,
      change: null,
      receipt: sampleReceipt,
    },
    {
      picture: trashed,
      newer: null,
      older: null,
      back: '/library',
      lineage: { ancestors: [], descendants: [] },
      details: noDetails,
      change: null,
      receipt: null,
    },
    {
      picture: undecodable,
      newer: null,
      older: null,
      back: '/library',
      lineage,
      details: noDetails,
      change: { ...changed, did: 'describe' },
      receipt: null,
    },
  ],
  'library/_trashed': [
    { picture: trashed, daysLeft: 30 },
    { picture: { ...undecodable, deletedAt: now }, daysLeft: 1 },
  ],
  'library/trash': [
    {
      trash: {
        pictures: [
          { picture: trashed, daysLeft: 30 },
          { picture: { ...undecodable, deletedAt: now }, daysLeft: 1 },
        ],
        older: '/library/trash?before=1',
        total: 2,
        asOf: now.toISOString(),
        change: { ...changed, did: 'restore' },
      },
    },
    { trash: { pictures: [], older: null, total: 0, asOf: now.toISOString(), change: null } },
  ],
  ...agentSamples([done, running]),
  ...chatSamples([done, running]),
  ...librarySamples,
  ...adminSamples(),
  ...bulletinSamples,
  ...gallerySamples(),
  ...deriveSamples,
  ...exportSamples(),
  ...importSamples(),
  ...paletteSamples(),
  ...spendSamples,
  ...budgetSamples,
  ...sumSamples,
  'departures/index': [null, 'That is not a@example.com.'].map(error => ({
    email: '<a>@example.com',
    counts: { pictures: 1, conversations: 2, shown: 0, sshKeys: 1 },
    error,
  })),
  'session/continue': [
    { email: 'a<b>@example.com', current: null },
    { email: 'a<b>@example.com', current: 'c@example.com' },
  ],
  'session/own-window': [
    { sentence: 'Not <here>', path: '/login?next=%2F', framed: true },
    { sentence: 'Not <here>', path: '/', framed: false },
  ],
  'session/code': [{ maskedEmail: 'a***@example.org', error: 'Wrong', next: '/' }],
  'session/login': [
    { ...login, captcha: { kind: 'none' } },
    { ...login, captcha: { kind: 'turnstile', siteKey: 'k' } },
    { ...login, captcha: { kind: 'unsupported' } },
  ],
}

/** Fragments that are not one element with one id. */
const exceptions = new Map<string, string>([
  ['_typed', 'the only one of its kind on a page'],
  ['_error', 'a partial for #notice, so that it shows wherever the refused request came from'],
  ['account/_balances', 'the balance stands in two places'],
  ['account/_key_changed', 'a partial for the key in the rail'],
  ['images/_doubt', 'a partial for #notice, so that it shows wherever the button was'],
  ['images/_estimate', 'a price, not a place'],
  ['images/_not_honoured', 'a sentence, not a place'],
  ['images/_quoted', 'the price, and a partial for the advice'],
  ['images/_arrival', 'the tile takes the place of itself'],
  ['images/_arrived', 'every new tile and the pulse in one answer'],
  ['prompts/_saved', 'what a notice says, seen and heard'],
  ['images/_created', 'composer, tile and pulse in one answer'],
  ['images/_dismissed', 'every card that goes, and the way back'],
  ['images/_tiles', 'every changed tile and the pulse in one answer'],
  ['images/_older', 'days appended below those on the page'],
  ['gallery/_older', 'pictures appended to those on the page'],
  ['library/_older', 'pictures appended to those on the page'],
  ['images/_usual', 'a time, not a place'],
  ['images/_word', 'a word, not an element'],
  ['_said', 'a sentence, not a place'],
  ...chatExceptions,
  ['library/_refused', 'as many at once as files were refused'],
])

/** What a form or an htmx attribute may send to: a declared route, with or without a query. */
const routes = declaredRoutes().map(({ method, address }) => ({
  method,
  pattern: new RegExp(`^${address.replaceAll(/:\w+/g, '[^/?]+')}([?].*)?$`),
}))

for (const lang of languages) {
  describe(`in ${lang}`, () => {
    for (const [view, htmls] of rendered(lang)) {
      test(`${view} keeps the content security policy, its icons exist and its addresses are known`, () => {
        const sprite = readFileSync(path.join(root, 'public/icons.svg'), 'utf8')
        for (const html of htmls) for (const element of parse(html).querySelectorAll('*')) checkElement(element, sprite)
      })
      if (path.basename(view).startsWith('_') && !exceptions.has(view)) {
        test(`${view} is one element with one id`, () => {
          for (const html of htmls) {
            const roots = parse(html).childNodes.filter(node => node instanceof HTMLElement || node.rawText.trim())
            assert.equal(roots.length, 1, html)
            assert.ok((roots[0] as HTMLElement).id, html)
          }
        })
      }
      if (htmls[0]!.startsWith('<!doctype html>')) {
        test(`${view} is a whole page: unique ids, labels and descriptions that point somewhere, one h1`, () => {
          for (const html of htmls) checkPage(parse(html), lang)
        })
      }
    }
  })
}

test('what people typed is escaped everywhere', () => {
  for (const [view, htmls] of rendered('en')) {
    for (const html of htmls) assert.doesNotMatch(html, /<lighthouse>|moderation_blocked <b>|<typed>/, view)
  }
})

test('only a page with unfinished jobs polls, and it polls once', () => {
  const page = createSamplePage('en')
  assert.match(renderView(page, 'images/_pulse', { jobs: [queued, running] }), /hx-trigger="every 1s"/)
  assert.doesNotMatch(renderView(page, 'images/_pulse', { jobs: [] }), /hx-/)
  for (const job of jobs) assert.doesNotMatch(renderView(page, 'images/_job', { job }), /every/)
})

const verdicts = {
  en: { yes: /^Charged/, no: /^Not charged/, unknown: /^(Unknown whether|Not known yet whether) it was charged/ },
  'zh-CN': {
    yes: /^(已扣费|按你的判断：已扣费)/,
    no: /^(未扣费|按你的判断：未扣费)/,
    unknown: /^(是否扣费尚不清楚|还不知道是否扣费)/,
  },
}
const aboutMoney = /charg|bill|扣费|计费|账单/i
const paysAgain = /paid|付费|付两次/

for (const lang of languages) {
  test(`one sentence speaks of the money, and nothing beside it contradicts it: ${lang}`, () => {
    const page = createSamplePage(lang)
    const { message: answer } = samples['chat/_answer_foot'][0]!
    let seen = 0
    for (const reason of [null, ...failureReasons]) {
      for (const charged of ['yes', 'no', 'unknown'] satisfies Charged[]) {
        for (const [evidence, cost] of evidences.flatMap(each => [null, 0.134].map(usd => [each, usd] as const))) {
          const money = moneyOf(charged, cost, evidence)
          const mayCheck = charged === 'unknown'
          const failure = reason && { reason, charged, detail: null, field: null, retryAt: null, requestId: null }
          const shown: [what: string, html: string, text: string][] = []
          for (const state of ['failed', 'unknown', 'cancelled'] as const) {
            const ended = { of: 'picture', state, reason, charged } as const
            const job = { ...done, state, failure, money, mayCheck, sentences: sentencesOf(ended) }
            shown.push([state, renderView(page, 'images/_failure', { job }), inWords(ended, money, page.t)])
          }
          for (const state of ['failed', 'unknown', 'stopped'] as const) {
            const ended = { of: 'answer', state, reason, charged } as const
            const message = { ...answer, state, failure, money, mayCheck, sentences: sentencesOf(ended) }
            shown.push([state, renderView(page, 'chat/_answer_foot', { message }), inWords(ended, money, page.t)])
          }
          for (const [state, html, text] of shown) {
            const told = `${state}, ${reason}, charged: ${charged}, ${evidence?.outcome}, ${cost}`
            const root = parse(html)
            const sentences = root.querySelectorAll('.verdict')
            assert.equal(sentences.length, 1, told)
            assert.match(sentences[0]!.text.trim(), verdicts[lang][charged], told)
            assert.ok(sentences[0]!.classList.contains(`verdict-${charged}`), told)
            assert.equal(
              text.match(new RegExp(aboutMoney, 'gi'))!.length,
              sentences[0]!.text.match(new RegExp(aboutMoney, 'gi'))!.length,
              told,
            )
            for (const part of root.querySelectorAll('.money, form')) part.remove()
            assert.doesNotMatch(root.text, aboutMoney, told)
            assert.equal(paysAgain.test(root.text), charged !== 'no' && failure !== null, told)
            seen++
          }
        }
      }
    }
    assert.equal(seen, (failureReasons.length + 1) * 3 * evidences.length * 2 * 6)
  })
}

test('trying again asks first wherever the first attempt may have been charged', () => {
  for (const job of failed) {
    const html = renderView(createSamplePage('en'), 'images/_retry', { job })
    assert.equal(html.includes('hx-confirm'), job.failure.charged !== 'no', job.id)
  }
})

test('both catalogues have the same keys with the same interpolations, and no empty sentence', () => {
  const english = sentences(readCatalogue('en'))
  const chinese = sentences(readCatalogue('zh-CN'))
  assert.deepEqual([...chinese.keys()].toSorted(byName), [...english.keys()].toSorted(byName))
  for (const [name, words] of english) {
    assert.deepEqual(chinese.get(name), words, name)
    assert.ok(!words.includes(''), name)
  }
})

test('templates agree with the types they declare', () => {
  const run = spawnSync(process.execPath, ['scripts/check-templates.ts', '--check'], { cwd: root, encoding: 'utf8' })
  assert.equal(run.stderr, '')
  assert.equal(run.status, 0)
})

function createSamplePage(lang: Language, guest = false) {
  return createPage({
    lang,
    theme: 'system',
    timeZone: 'Asia/Shanghai',
    viewer: guest
      ? null
      : {
          id: 1,
          email: 'alice@example.org',
          name: 'Alice',
          isAdmin: false,
          balance: 12.5,
          key: { id: 2, name: 'mine', group: 'images', allowsImages: true },
          budgetNotice: { budget: 'day', limit: 5, until: new Date('2099-01-01T00:00:00Z') },
        },
    url: '/images?x=1',
    galleryOpen: 'public',
    mockGuide: '/mock',
    asset: file => files.url(file),
  })
}

/** Every template by name, with the markup of each of its samples. */
function rendered(lang: Language): [view: string, htmls: string[]][] {
  return (Object.keys(samples) as (keyof typeof samples)[]).map(view => {
    const page = createSamplePage(lang, view.startsWith('session/'))
    return [view, samples[view].map(data => renderView(page, view, data as never))]
  })
}

function checkElement(element: HTMLElement, sprite: string): void {
  const tag = element.rawTagName.toLowerCase()
  assert.notEqual(tag, 'style')
  if (tag === 'script') assert.ok(element.getAttribute('src'), 'a script without src')
  if (tag === 'use')
    assert.ok(sprite.includes(`id="${element.getAttribute('href')!.split('#')[1]}"`), element.outerHTML)
  if (tag === 'img' && !element.closest('dialog')) {
    for (const name of ['alt', 'width', 'height', 'decoding']) assert.ok(element.hasAttribute(name), element.outerHTML)
  }
  for (const [name, value] of Object.entries(element.attributes)) {
    assert.doesNotMatch(name, /^(style$|on|hx-on)/, element.outerHTML)
    if (name.startsWith('hx-')) assert.doesNotMatch(value, /^(js|javascript):/)
    if (name === 'hx-trigger') assert.doesNotMatch(value, /\[/)
    const method = { 'hx-get': 'GET', 'hx-post': 'POST', action: element.getAttribute('method') ?? 'GET' }[name]
    if (method) assert.ok(isRoute(method.toUpperCase(), value), `${method} ${value}`)
    if (/^(href|src)$/.test(name)) assert.match(value, /^(\/|#|https:\/\/(g\.example|challenges\.cloudflare\.com)\b)/)
  }
}

function checkPage(page: HTMLElement, lang: Language): void {
  assert.equal(page.querySelector('html')!.getAttribute('lang'), lang)
  assert.equal(page.querySelectorAll('h1').length, 1)
  const ids = page.querySelectorAll('[id]').map(element => element.id)
  assert.deepEqual(ids, [...new Set(ids)])
  for (const [attribute, prefix] of [
    ['aria-describedby', ''],
    ['aria-labelledby', ''],
    ['for', ''],
    ['popovertarget', ''],
    ['hx-target', '#'],
  ] as const) {
    for (const element of page.querySelectorAll(`[${attribute}]`)) {
      const value = element.getAttribute(attribute)!
      if (prefix && !value.startsWith(prefix)) continue
      for (const id of value.slice(prefix.length).split(' ')) assert.ok(ids.includes(id), `${attribute}="${value}"`)
    }
  }
}

/** Dotted key (plural forms under their base) → the names it interpolates. */
function sentences(tree: object, prefix = ''): Map<string, string[]> {
  const all = new Map<string, string[]>()
  for (const [name, value] of Object.entries(tree) as [string, string | object][]) {
    if (typeof value === 'object') for (const entry of sentences(value, `${prefix}${name}.`)) all.set(...entry)
    else all.set(prefix + name.replace(/_(one|other)$/, ''), value.trim() ? interpolations(value) : [''])
  }
  return all
}

function interpolations(sentence: string): string[] {
  return Array.from(sentence.matchAll(/\{\{(\w+)\}\}/g), match => match[1]!).toSorted(byName)
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1
}

function stringValues<T extends object>(row: T): { [K in keyof T]: string } {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)])) as {
    [K in keyof T]: string
  }
}

function isRoute(method: string, address: string): boolean {
  return routes.some(route => route.method === method && route.pattern.test(address))
}
