import type { CropForm, MarkForm, SourceView } from '../derive/view.ts'
import type { Views } from '../web/views.gen.ts'

type DeriveViews = Extract<keyof Views, `derive/${string}`>

const source: SourceView = {
  id: 'a',
  url: '/files/a',
  width: 1536,
  height: 1024,
  hasAlpha: false,
  prompt: 'A <lighthouse> & "rain"',
}
const crop: CropForm = { x: '0', y: '0', width: '1536', height: '1024', ratio: 'free', turn: '0', mirror: false }

const mark: MarkForm = { name: 'red', color: '#e6194b', kind: '', x: '', y: '', x2: '', y2: '', words: '' }

/** What the templates of the tools are rendered with in tests. */
export const deriveSamples: { [K in DeriveViews]: Views[K][] } = {
  'derive/cut-out': (['flat', 'uneven', 'none'] as const).map(verdict => ({
    source,
    background: { color: '#00ff00', percent: 98, verdict, key: '#ff00ff' },
    values: { tolerance: verdict === 'none' ? '"<b>' : '12', feather: '2', holes: verdict === 'flat' },
    limits: { tolerance: 60, feather: 8 },
    sentence: verdict === 'none' ? 'Numbers.' : null,
  })),
  'derive/extend': [
    { source, values: { left: '', top: '', right: '', bottom: '', ratio: 'free' }, sentence: null },
    { source, values: { left: '"<b>', top: '1', right: '', bottom: '', ratio: '1:1' }, sentence: 'Numbers.' },
  ],
  'derive/marks': [
    { source, rows: [mark], sentence: null },
    {
      source,
      rows: (['circle', 'arrow', 'dot'] as const).map(kind => ({ ...mark, kind, x: '"<b>', words: 'a <boat>' })),
      sentence: 'Outside.',
    },
  ],
  'derive/sheet': [
    { ids: ['a', 'b'], most: { pdf: 300, png: 60 }, back: '/library?tag=a&q=b', hasLetters: true },
    { ids: Array.from({ length: 61 }, () => 'a'), most: { pdf: 300, png: 60 }, back: '/library', hasLetters: false },
  ],
  'derive/crop': [
    { source, values: crop, sentence: null },
    {
      source: { ...source, hasAlpha: true, prompt: '' },
      values: { ...crop, x: '"<b>', turn: '90', mirror: true, ratio: '3:2' },
      sentence: 'Outside.',
    },
  ],
}
