import { type EntriesView, type ImportView, outcomes, problems, reasons } from '../imports/view.ts'
import type { Views } from '../web/views.gen.ts'

type ImportViews = Extract<keyof Views, `imports/${string}`>

/** What the templates of the imports are rendered with in tests. */
export function importSamples(): { [K in ImportViews]: Views[K][] } {
  const createdAt = new Date('2026-03-01T12:00:00Z')
  const imports: ImportView[] = (['queued', 'running', 'done', 'cancelled', 'failed'] as const).map((state, each) => ({
    id: String(each),
    state,
    name: 'pictures.zip',
    bytes: 1_500_000,
    total: state === 'queued' ? null : 12,
    added: each,
    skipped: 0,
    refused: 1,
    problem: null,
    cancelling: false,
    createdAt,
  }))
  const last = imports.at(-1)!
  const lists: EntriesView[] = outcomes.map(outcome => ({
    outcome,
    count: reasons.length,
    entries: reasons.map(reason => ({ name: `${reason}.png`, reason, url: outcome === 'added' ? '/library/1' : null })),
    more: `/imports/1?of=${outcome}&after=200`,
  }))
  const reports = [
    ...imports.map(report => ({ report, lists: [] })),
    { report: { ...imports[1]!, cancelling: true }, lists: [] },
    ...problems.map(problem => ({ report: { ...last, problem }, lists })),
  ]
  return {
    'imports/_report': reports,
    'imports/show': reports.slice(0, 2),
    'imports/index': [
      { imports, limit: '4 GiB' },
      { imports: [], limit: '4 GiB' },
    ],
  }
}
