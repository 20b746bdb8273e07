// Usage: npm run rotate-secret [-- --dry-run] [--json], in the environment of the app, with SESSION_SECRET=new,old
// Seals anew, by the first secret, what the others have sealed: tokens and API keys, while the app runs with both. Stopped, it goes on
// where it was. When it ends with 0 no seal of the old one is left; cookies that it signed are renewed as people come, for 31 days.
import path from 'node:path'
import { createLog } from '../src/log.ts'
import { createSealer } from '../src/secrets/sealer.ts'
import { openStorage } from '../src/storage/storage.ts'
import { rotateSecret } from '../src/upkeep/rotate.ts'
import { operate, UsageError } from './operate.ts'

await operate(
  'rotate-secret',
  'Usage: npm run rotate-secret [-- --dry-run] [--json]',
  { 'dry-run': { type: 'boolean', default: false } },
  async ({ values, positionals, config, db, progress }) => {
    if (positionals.length > 0) throw new UsageError('There is nothing to name here.')
    const dryRun = values['dry-run']
    const localDirectory = path.join(config.dataDirectory, 'assets')
    const storage = openStorage({ localDirectory, s3: null, keepLocal: false })
    const sealer = createSealer(config.sessionSecrets)
    const stopping = new AbortController().signal
    const deps = { db, config, storage, log: createLog('silent'), sealer, stopping }
    const rotated = await rotateSecret(deps, { dryRun, progress })
    const { found, left } = rotated
    return {
      failed: !dryRun && left > 0,
      report: { dryRun, ...rotated },
      lines: dryRun
        ? [`would seal ${found} secrets anew`]
        : [
            `sealed ${found - left} of ${found} secrets anew`,
            left > 0
              ? `${left} could not be: no secret opens them, or they came meanwhile. Run it again; of what stays, people sign in and choose their keys anew`
              : 'the old secret seals nothing any more: drop it after 31 days, when no cookie is left that it signed',
          ],
    }
  },
)
