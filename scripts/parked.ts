// Usage: npm run parked [-- --release | --cancel] [--dry-run] [--json], in the environment of the app
// After a restore what waited to be sent, or was under way, stands still: it may have been sent, and paid, between the
// backup and the restore. --release lets it go on where it stood, --cancel ends it as something nobody knows the cost of.
// What had been sent before the backup is never sent again: both only end it.
import { cancelAllParked, countParked, releaseParked } from '../src/backups/parked.ts'
import { operate, UsageError } from './operate.ts'

const usage = 'Usage: npm run parked [-- --release | --cancel] [--dry-run] [--json]'

await operate(
  'parked',
  usage,
  {
    release: { type: 'boolean', default: false },
    cancel: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
  },
  async ({ values, positionals, db }) => {
    if (positionals.length > 0 || (values.release && values.cancel)) throw new UsageError('Say --release or --cancel.')
    const parked = await countParked(db)
    const what = `${parked.pictures} picture jobs, ${parked.answers} answers, ${parked.news} things that follow`
    const did = values.release ? 'released' : values.cancel ? 'cancelled' : null
    if (did === null || values['dry-run']) {
      const line = did ? `would have ${did} ${what}` : `parked: ${what}`
      return { report: { ...parked, did: null }, lines: [line, ...(did ? [] : [usage])] }
    }
    await (did === 'released' ? releaseParked(db) : cancelAllParked(db))
    return { report: { ...parked, did }, lines: [`${did} ${what}`] }
  },
)
