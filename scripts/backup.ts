// Usage: npm run backup -- FOLDER [--keep 7] [--dry-run] [--json], in the environment of the app
// Makes a backup in a new folder of FOLDER, while the app runs: the database as it was at one moment, and the files of
// PLAYGROUND_DATA_DIR. The newest --keep are kept. Pictures in a bucket are not part of it, and SESSION_SECRET is not either.
import { listBackups, makeBackup } from '../src/backups/backup.ts'
import { bytesInWords, operate, UsageError, wholeNumber } from './operate.ts'

const options = { keep: { type: 'string', default: '7' }, 'dry-run': { type: 'boolean', default: false } } as const

await operate(
  'backup',
  'Usage: npm run backup -- FOLDER [--keep 7] [--dry-run] [--json]',
  options,
  async ({ values, positionals, config, db, progress }) => {
    const [directory, ...rest] = positionals
    if (!directory || rest.length > 0) throw new UsageError('Say where to: one folder.')
    const keep = wholeNumber(values.keep, '--keep')
    if (values['dry-run']) {
      const there = await listBackups(directory)
      const gone = there.slice(0, Math.max(0, there.length + 1 - keep))
      return {
        report: { dryRun: true, directory, there, gone },
        lines: [`would make a backup in ${directory}`, ...gone.map(folder => `would remove ${folder}`)],
      }
    }
    const { folder, manifest, removed } = await makeBackup({ db, config }, { directory, keep, progress })
    const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
    const { count, bytes, place } = manifest.objects
    return {
      report: { folder, rows, files: count, bytes, place, removed },
      lines: [
        `made ${folder}: ${rows} rows, ${count} files, ${bytesInWords(bytes)}`,
        ...(place === 'bucket' ? ['the pictures lie in the bucket, and are not part of it'] : []),
        'SESSION_SECRET is not in it: keep a copy elsewhere, or sealed API keys cannot be opened after a restore',
        ...removed.map(name => `removed ${name}`),
      ],
    }
  },
)
