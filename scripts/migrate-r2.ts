// Usage: npm run migrate:r2 [-- --dry-run] [--concurrency 8] [--limit N] [--user-id ID] [--force] [--json], in the environment of the app
// Copies the objects of PLAYGROUND_DATA_DIR to the bucket that R2_* names, also while the app runs. Each is read back and compared; nothing
// is deleted, here or there. Stopped, it goes on where it was. When it ends with 0, start the app with R2_*, and run it once more.
import path from 'node:path'
import { openLedger } from '../src/moving/copied.ts'
import { copyToBucket } from '../src/moving/to-bucket.ts'
import { openStorage } from '../src/storage/storage.ts'
import { bytesInWords, operate, UsageError, wholeNumber } from './operate.ts'

const SAID = 20

await operate(
  'migrate-r2',
  'Usage: npm run migrate:r2 [-- --dry-run] [--concurrency 8] [--limit N] [--user-id ID] [--force] [--json]',
  {
    'dry-run': { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '8' },
    limit: { type: 'string' },
    'user-id': { type: 'string' },
    force: { type: 'boolean', default: false },
  },
  async ({ values, positionals, config, db, progress }) => {
    if (positionals.length > 0) throw new UsageError('There is nothing to name here.')
    if (!config.s3) throw new UsageError('R2_* name no bucket.')
    const localDirectory = path.join(config.dataDirectory, 'assets')
    const dryRun = values['dry-run']
    const from = openStorage({ localDirectory, s3: null, keepLocal: false })
    const to = openStorage({ localDirectory, s3: config.s3, keepLocal: false })
    const ledger = await openLedger(config.dataDirectory, config.s3, dryRun)
    try {
      const arrived = await copyToBucket(
        { db, from, to, ledger, progress },
        {
          dryRun,
          force: values.force,
          concurrency: wholeNumber(values.concurrency, '--concurrency'),
          limit: values.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber(values.limit, '--limit'),
          userId: values['user-id'] === undefined ? null : wholeNumber(values['user-id'], '--user-id'),
        },
      )
      const { there, copied, bytes, left, failed } = arrived
      return {
        failed: failed.length > 0,
        report: { dryRun, ...arrived },
        lines: [
          `${dryRun ? 'would copy' : 'copied and compared'} ${copied} objects, ${bytesInWords(bytes)}; ${there} were there`,
          ...(left > 0 ? [`${left} are left for another time`] : []),
          ...failed.slice(0, SAID).map(({ name, why }) => `FAILED ${name}: ${why}`),
          ...(failed.length > SAID ? [`and ${failed.length - SAID} more`] : []),
        ],
      }
    } finally {
      await ledger.close()
      await Promise.all([from.close(), to.close()])
    }
  },
)
