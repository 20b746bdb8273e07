// Usage: npm run backup -- FOLDER [--keep 7] [--list-only] [--dry-run] [--json], in the environment of the app
// Makes a backup in a new folder of FOLDER, while the app runs: the database as it was at one moment, and the pictures, of PLAYGROUND_DATA_DIR
// or of the bucket; with --list-only of a bucket only what lies in it. The newest --keep are kept. SESSION_SECRET is no part of it.
import { listBackups, makeBackup } from '../src/backups/backup.ts'
import { bytesInWords, operate, UsageError, wholeNumber, withStorage } from './operate.ts'

const options = {
  keep: { type: 'string', default: '7' },
  'list-only': { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
} as const
const usage = 'Usage: npm run backup -- FOLDER [--keep 7] [--list-only] [--dry-run] [--json]'

await operate('backup', usage, options, async ({ values, positionals, config, db, progress }) => {
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
  const asked = { directory, keep, listOnly: values['list-only'], progress }
  const { folder, manifest, removed } = await withStorage(config, storage => makeBackup({ db, config, storage }, asked))
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
  const { count, bytes, place } = manifest.objects
  return {
    report: { folder, rows, files: count, bytes, place, removed },
    lines: [
      `made ${folder}: ${rows} rows, ${count} files, ${bytesInWords(bytes)}`,
      ...(place === 'bucket' ? ['the pictures stay in the bucket: objects.txt lists them'] : []),
      'SESSION_SECRET is not in it: keep a copy elsewhere, or sealed API keys cannot be opened after a restore',
      ...removed.map(name => `removed ${name}`),
    ],
  }
})
