// Usage: npm run backfill:library [-- --dry-run] [--all] [--limit N] [--user-id ID] [--json], in the environment of the app
// Makes anew what belongs to pictures and is missing, from their bytes: thumbnails, and what rows say of size and colour. With --all every
// picture is read, compared with its hash, and decoded. No picture is changed; what cannot be completed is named.
import { completeLibrary } from '../src/library/complete.ts'
import { operate, UsageError, wholeNumber, withStorage } from './operate.ts'

const SAID = 20

await operate(
  'backfill-library',
  'Usage: npm run backfill:library [-- --dry-run] [--all] [--limit N] [--user-id ID] [--json]',
  {
    'dry-run': { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    limit: { type: 'string' },
    'user-id': { type: 'string' },
  },
  async ({ values, positionals, config, db, progress }) => {
    if (positionals.length > 0) throw new UsageError('There is nothing to name here.')
    const dryRun = values['dry-run']
    const wanted = {
      dryRun,
      all: values.all,
      limit: values.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber(values.limit, '--limit'),
      userId: values['user-id'] === undefined ? null : wholeNumber(values['user-id'], '--user-id'),
    }
    const completed = await withStorage(config, storage =>
      completeLibrary({ db, storage, edge: config.thumbnailEdge, progress }, wanted),
    )
    const { looked, thumbnails, facts, left, failed } = completed
    return {
      failed: failed.length > 0,
      report: { dryRun, ...completed },
      lines: [
        `looked at ${looked} pictures; ${dryRun ? 'would make' : 'made'} ${thumbnails} thumbnails, and mend what ${facts} rows say`,
        ...(left > 0 ? [`${left} are left for another time`] : []),
        ...failed.slice(0, SAID).map(({ name, why }) => `FAILED ${name}: ${why}`),
        ...(failed.length > SAID ? [`and ${failed.length - SAID} more`] : []),
      ],
    }
  },
)
