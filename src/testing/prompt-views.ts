import type { ObstacleView } from '../account/view.ts'
import type { SuggestionView } from '../prompts/suggestion-view.ts'
import { sampleReceipt } from './spend-views.ts'

const obstacle: ObstacleView = { why: 'no_balance', key: 'Main', blocks: false, until: null, others: [] }
const picture = { url: '/files/a/thumb', width: 320, height: 213 }
const open: SuggestionView = {
  id: 'a',
  kind: 'improve',
  state: 'open',
  prompt: 'A <red> fox',
  picture: null,
  models: [
    { id: 'gpt-5.4-mini', usd: 0.0021, chosen: true },
    { id: 'gpt-5.5', usd: null, chosen: false },
  ],
  model: null,
  text: '',
  changes: [],
  sentence: '',
  receipt: null,
  isAwaited: false,
  obstacle: null,
}
const asked: SuggestionView = { ...open, state: 'asked', isAwaited: true, models: [], model: 'gpt-5.4-mini' }
const done: SuggestionView = {
  ...asked,
  state: 'done',
  isAwaited: false,
  text: 'A <red> fox in snow',
  changes: [
    { is: 'kept', text: 'A <red> fox' },
    { is: 'new', text: ' in snow' },
    { is: 'gone', text: '.' },
  ],
  receipt: sampleReceipt,
}
const described: SuggestionView = { ...done, kind: 'describe', prompt: '', picture, changes: [] }

/** Of every state. */
const suggestions: SuggestionView[] = [
  open,
  { ...open, kind: 'describe', prompt: '', picture, obstacle },
  asked,
  { ...asked, state: 'called' },
  done,
  described,
  { ...asked, isAwaited: false, state: 'failed', sentence: 'The service behind the gateway failed.' },
  { ...done, state: 'failed', text: '', changes: [], sentence: 'The model answered without a prompt.' },
  { ...asked, isAwaited: false, state: 'unknown', receipt: sampleReceipt },
]

export const suggestionSamples = {
  'prompts/_suggestion': suggestions.map(suggestion => ({ suggestion })),
  'prompts/suggestion': suggestions.map(suggestion => ({ suggestion })),
}
