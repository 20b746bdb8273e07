import type { FoundView } from '../palette/view.ts'
import type { Views } from '../web/views.gen.ts'

type PaletteViews = Extract<keyof Views, `palette/${string}`>

/** What the templates of the palette are rendered with in tests. */
export function paletteSamples(): { [K in PaletteViews]: Views[K][] } {
  const at = new Date('2026-03-01T12:00:00Z')
  const nothing: FoundView = {
    words: '<b>',
    conversations: [],
    pictures: [],
    prompts: [],
    saved: [],
    keys: [],
    back: '/chat?a="b',
  }
  const recent: FoundView = {
    words: null,
    conversations: [{ id: 'c1', title: '<i>Harbours</i>', at }],
    pictures: [{ id: 'p1', thumbUrl: '/files/t1/thumb', prompt: '<b>a pier', at }],
    prompts: [{ jobId: 'j1', prompt: '"a pier" <at night>' }],
    saved: [
      { name: '<b>', prompt: '"a pier"', url: '/images?saved=a' },
      { name: '', prompt: 'a {red} pier', url: '/prompts#saved-a' },
    ],
    keys: [{ id: 7, name: '<k>', group: null }],
    back: '/images',
  }
  const found = [
    { found: nothing },
    { found: recent },
    { found: { ...recent, words: 'pier', conversations: [{ id: 'c1', title: '', at }] } },
  ]
  return {
    'palette/index': found,
    'palette/_list': found,
    'palette/_dialog': [{}],
    'palette/_search': [
      { words: null, back: '/images' },
      { words: '"<b>', back: '/chat?a="b' },
    ],
    'palette/_found': found,
    'palette/_commands': [{ words: null }, { words: 'zzz' }],
  }
}
