import { deeds } from '../library/change-queries.ts'
import type { Derived } from '../library/derived.ts'
import { kinds, readFilter, sorts } from '../library/filter.ts'
import type { ChangeView, DetailsView, FiltersView, FolderView, LibraryView, TileView } from '../library/view.ts'
import type { Views } from '../web/views.gen.ts'

const now = new Date('2026-03-01T12:00:00Z')

const tile: TileView = {
  id: '0c9e4d6e-9d1f-4c8e-8b5a-1f2e3d4c5b6a',
  url: '/files/abc',
  width: 1536,
  height: 1024,
  hasAlpha: false,
  color: '#336699',
  prompt: 'A <lighthouse> & "rain"',
  favourite: false,
  condition: 'whole',
  isDeleted: false,
  day: now,
}
const tiles: TileView[] = [
  tile,
  { ...tile, id: 'e', isDeleted: true, day: null },
  { ...tile, id: 'b', favourite: true, day: null, hasAlpha: true },
  { ...tile, id: 'c', condition: 'incomplete', day: new Date(), prompt: '' },
  { ...tile, id: 'd', condition: 'undecodable', day: new Date(Date.now() - 86_400_000) },
]
const list = { tiles, query: 'tag=a&q=%3Clighthouse%3E', older: '/library?before=1.x', through: '/library?through=1.x' }
const filter = { q: '', tab: 'pictures' as const, chips: [], fields: [], isNarrow: false, folder: null }
const years: LibraryView['years'] = [
  { year: '2026', months: [{ month: '2026-03', first: now, count: 1200, url: '/library?at=2026-03', isHere: true }] },
]
export const changed: ChangeView = {
  id: 'x',
  did: 'delete',
  count: 3,
  state: 'done',
  undoes: false,
  total: 0,
  done: 0,
}
const long = { total: 20_000, done: 4000 }
const library: LibraryView = {
  list,
  newer: null,
  total: 1200,
  years,
  filter,
  change: null,
  asOf: now.toISOString(),
  address: '/library',
}
const without = '/library'
const chips: LibraryView['filter']['chips'] = [
  { what: 'kind', value: 'all', without },
  { what: 'sort', value: 'oldest', without },
  { what: 'quality', value: 'high', without },
  { what: 'folder', value: '', without },
  ...(['folder', 'tag', 'model', 'size', 'dates', 'cost'] as const).map(what => ({
    what,
    value: '<lighthouse>',
    without,
  })),
]
const narrow: LibraryView = {
  ...library,
  newer: '/library?after=1.x',
  filter: {
    ...filter,
    q: '<lighthouse>',
    chips,
    fields: [['tag', '<lighthouse>']],
    isNarrow: true,
    folder: '<lighthouse>',
  },
  change: changed,
  address: '/library?tag=a',
}
const none = { list: { ...list, tiles: [], older: null, through: null }, total: 0, years: [] }
const filters: FiltersView = {
  filter: readFilter({ q: '<lighthouse>', tag: '<lighthouse>', size: '1536x1024', quality: 'high', cost_from: '0.1' }),
  kinds,
  sorts,
  models: [{ value: '<lighthouse>', count: 3 }],
  sizes: [{ value: '1536x1024', count: 3 }],
  qualities: [{ value: 'high', count: 3 }],
  folders: [{ value: 'f', name: '<lighthouse>', count: 2 }],
  tags: [{ value: '<lighthouse>', name: '<lighthouse>', count: 2, isChosen: true }],
  query: 'q=%3Clighthouse%3E',
  isNarrow: true,
  clear: '/library',
}
const folder: FolderView = {
  id: 'f',
  name: '<lighthouse>',
  url: '/library?folder=f',
  count: 1,
  cover: null,
  isSmart: false,
}
const folders = [
  folder,
  { ...folder, id: 'g', cover: '/files/a/thumb' },
  { ...folder, id: 'h', count: null, isSmart: true },
]

export const details: DetailsView = {
  asked: {
    model: 'gpt-image-2',
    size: '1536x1024',
    quality: 'high',
    n: 2,
    format: 'png',
    compression: null,
    background: 'auto',
    moderation: 'low',
  },
  returned: { size: '1536x1024', quality: '<lighthouse>' },
  revisedPrompt: 'A <lighthouse>',
  cost: 0.134,
  imported: null,
  folder: { id: 'f', name: '<lighthouse>', url: '/library?folder=f' },
  tags: [{ name: '<lighthouse>', url: '/library?tag=a' }],
  formats: ['jpeg', 'webp'],
}
export const noDetails: DetailsView = {
  asked: null,
  returned: {},
  revisedPrompt: '',
  cost: null,
  imported: {
    at: new Date('2026-03-01T12:00:00Z'),
    cost: '0.134',
    receipts: (['yes', 'no', 'unknown'] as const).map(charged => ({
      calledAt: new Date('2026-02-01T12:00:00Z'),
      model: 'gpt-image-2',
      amount: charged === 'yes' ? '0.134' : null,
      charged,
      estimate: null,
      billedBy: null,
      requestId: null,
    })),
  },
  folder: null,
  tags: [],
  formats: [],
}

/** A picture made in each way that there is. */
const derivations: Derived[] = [
  { did: 'crop', x: 10, y: 20, width: 300, height: 400, turn: 90, mirror: true },
  { did: 'crop', x: 0, y: 0, width: 300, height: 400, turn: 0, mirror: false },
  {
    did: 'mark',
    marks: [{ kind: 'dot', name: 'red', color: '#e6194b', x: 1, y: 2, x2: 1, y2: 2, words: 'a <b>boat' }],
  },
  { did: 'extend', x: 10, y: 20, width: 300, height: 400, canvas: { width: 1024, height: 1024 } },
  ...(['flat', 'uneven', 'none'] as const).map(verdict => ({
    did: 'cut_out' as const,
    color: '#00ff00',
    flat: 0.98,
    verdict,
    tolerance: 12,
    feather: 2,
    holes: false,
  })),
]

/** What the templates of lists and folders are rendered with in tests. */
export const librarySamples = {
  'library/_cell': tiles.map(each => ({ tile: each, query: list.query })),
  'library/_change': [
    { change: changed, back: '/library?tag=a&q=b' },
    ...deeds.flatMap(did =>
      (['running', 'done', 'stopped'] as const).map(state => ({
        change: { ...changed, ...long, did, state },
        back: '/',
      })),
    ),
    ...(['queued', 'running', 'done', 'stopped', 'undone'] as const).flatMap(state =>
      [false, true].map(undoes => ({
        change: { ...changed, ...long, state, undoes },
        back: '/library',
        isAsked: true,
      })),
    ),
  ],
  'library/_dates': [{ years }],
  'library/_derived': derivations.map(derived => ({ id: 'a', derived })),
  'library/_filters': [{ filters }, { filters: { ...filters, filter: readFilter({}), tags: [] } }],
  'library/_folder': folders.map(each => ({ folder: each, others: folders })),
  'library/_names': [{ folders: ['<lighthouse>'], tags: ['<lighthouse>'] }],
  'library/_older': [{ list }, { list: { ...list, older: null } }],
  'library/_selection': [{ total: 1200, asOf: now.toISOString(), back: '/library' }],
  'library/filters': [{ filters }],
  'library/folders': [
    { folders, change: null },
    { folders: [], change: { ...changed, did: 'dissolve' } },
    { folders, change: { ...changed, ...long, did: 'merge', state: 'running' } },
  ],
  'library/storage': [
    { use: { used: 3e9, trash: 1e9, uploads: 2e8, limit: 1e10 } },
    { use: { used: 1.1e10, trash: 1e9, uploads: 2e8, limit: 1e10 } },
  ],
  'library/index': [
    { library },
    { library: narrow },
    { library: { ...library, ...none } },
    { library: { ...narrow, ...none } },
    { library: { ...library, ...none, filter: { ...filter, tab: 'favourites' } } },
    { library: { ...library, ...none, filter: { ...filter, tab: 'uploads' } } },
  ],
} satisfies { [K in keyof Views]?: Views[K][] }
