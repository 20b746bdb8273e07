import type { ExportView } from '../exports/view.ts'
import type { Views } from '../web/views.gen.ts'

type ExportViews = Extract<keyof Views, `exports/${string}`>

/** What the templates of the exports are rendered with in tests. */
export function exportSamples(): { [K in ExportViews]: Views[K][] } {
  const createdAt = new Date('2026-03-01T12:00:00Z')
  const exports: ExportView[] = (['queued', 'running', 'ready', 'failed', 'cancelled'] as const).map((state, each) => ({
    id: String(each),
    kind: each % 2 ? 'pictures' : 'everything',
    state,
    name: 'pictures.zip',
    url: `/exports/${each}/file`,
    total: each,
    checked: 0,
    bytes: 1_500_000,
    createdAt,
    expiresAt: each > 1 ? createdAt : null,
  }))
  return {
    'exports/_list': [{ exports }, { exports: exports.slice(2) }, { exports: [] }],
    'exports/index': [{ exports }, { exports: [] }],
  }
}
