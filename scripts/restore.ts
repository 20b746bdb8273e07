// Usage: npm run restore -- BACKUP [--dry-run] [--json], in the environment of the app, which must not run
// Brings a backup into an empty database and data directory, its pictures into the bucket where R2_* name one. Everything is checked before anything is touched; --dry-run
// ends there, and is how a backup is tried. What was waiting to be sent, or under way, comes back parked: see npm run parked.
import { restoreBackup } from '../src/backups/restore.ts'
import { operate, UsageError, withStorage } from './operate.ts'

await operate(
  'restore',
  'Usage: npm run restore -- BACKUP [--dry-run] [--json]',
  { 'dry-run': { type: 'boolean', default: false } },
  async ({ values, positionals, config, db, progress }) => {
    const [folder, ...rest] = positionals
    if (!folder || rest.length > 0) throw new UsageError('Say which backup: one folder.')
    const dryRun = values['dry-run']
    // The bucket itself is looked at, never the copies of this machine.
    const restored = await withStorage({ ...config, keepLocalAssets: false }, storage =>
      restoreBackup({ db, config, storage, progress }, folder, { dryRun }),
    )
    const { madeAt, tables, rows, files, parked, notes } = restored
    const waiting = parked.pictures + parked.answers + parked.news
    return {
      report: { dryRun, ...restored },
      lines: [
        `${dryRun ? 'whole, would restore' : 'restored'} the backup of ${madeAt}: ${tables} tables, ${rows} rows, ${files} files`,
        ...notes,
        ...(waiting > 0
          ? [
              `parked: ${parked.pictures} picture jobs, ${parked.answers} answers, ${parked.news} things that follow; npm run parked tells what can be done`,
            ]
          : []),
      ],
    }
  },
)
