// Usage: npm run check:site [-- --url http://127.0.0.1:8081] [--backups FOLDER] [--backup-hours 26] [--no-objects]
//   [--repair [--apply] [--at-most 5] [--minimum-age-hours 48]] [--json], in the environment of the app
// Looks at the app, the database, the backups, the disk, and whether the store has what rows name and nothing else. Each
// failure says what to do. --repair says which orphaned objects would be moved aside, and moves them with --apply.
import { check } from '../src/checks/check.ts'
import { operate, UsageError, wholeNumber, withStorage } from './operate.ts'

await operate(
  'check',
  'Usage: npm run check:site [-- --url http://127.0.0.1:8081] [--backups FOLDER] [--backup-hours 26] [--no-objects] [--repair [--apply] [--at-most 5] [--minimum-age-hours 48]] [--json]',
  {
    url: { type: 'string' },
    backups: { type: 'string' },
    'backup-hours': { type: 'string', default: '26' },
    'no-objects': { type: 'boolean', default: false },
    repair: { type: 'boolean', default: false },
    apply: { type: 'boolean', default: false },
    'at-most': { type: 'string', default: '5' },
    'minimum-age-hours': { type: 'string', default: '48' },
  },
  async ({ values, positionals, config, db }) => {
    if (positionals.length > 0) throw new UsageError('There is nothing to name here.')
    if (values.apply && !values.repair) throw new UsageError('--apply goes with --repair.')
    const url = values.url ?? `http://127.0.0.1:${config.port}`
    if (!URL.canParse(url)) throw new UsageError('--url must be an address.')
    return withStorage(config, async storage => {
      const findings = await check(
        { db, config, storage },
        {
          url,
          backups: values.backups ?? null,
          backupHours: wholeNumber(values['backup-hours'], '--backup-hours'),
          objects: !values['no-objects'],
          repair: values.apply ? 'yes' : values.repair ? 'dry' : 'no',
          atMost: wholeNumber(values['at-most'], '--at-most', 0),
          minimumAgeHours: wholeNumber(values['minimum-age-hours'], '--minimum-age-hours', 0),
        },
      )
      const failed = findings.some(({ ok }) => !ok)
      return {
        failed,
        report: { ok: !failed, findings },
        lines: findings.map(
          ({ name, ok, detail, todo }) =>
            `${ok ? 'ok    ' : 'FAILED'} ${name}: ${detail}${todo ? `\n       → ${todo}` : ''}`,
        ),
      }
    })
  },
)
