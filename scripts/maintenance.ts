// Usage: npm run maintenance -- on|off|status [--until 2026-11-27T06:00Z] [--dry-run] [--json], in the environment of the app
// From `on` until `off` nothing new is begun, in no process and from no door; what waits or runs is finished. `status` says
// how much of that is left. --until is told to people, and ends nothing.
import { tallyReplies } from '../src/chat/admin-queries.ts'
import type { Db } from '../src/db/db.ts'
import { tallyJobs } from '../src/images/admin-queries.ts'
import { recordAct } from '../src/operators/act-queries.ts'
import { beginMaintenance, endMaintenance, findMaintenance } from '../src/operators/bulletin-queries.ts'
import { operate, UsageError } from './operate.ts'

const usage = 'Usage: npm run maintenance -- on|off|status [--until 2026-11-27T06:00Z] [--dry-run] [--json]'
const BY = { reason: 'npm run maintenance' }

await operate(
  'maintenance',
  usage,
  { until: { type: 'string' }, 'dry-run': { type: 'boolean', default: false } },
  async ({ values, positionals, db }) => {
    const [wanted, ...more] = positionals
    if (more.length > 0 || (wanted !== 'on' && wanted !== 'off' && wanted !== 'status')) {
      throw new UsageError('Say on, off or status.')
    }
    if (values.until !== undefined && wanted !== 'on') throw new UsageError('--until goes with on.')
    const until = values.until === undefined ? null : momentOf(values.until)
    const was = await findMaintenance(db)
    if (!values['dry-run']) {
      if (wanted === 'on') await db.transaction(tx => begin(tx, until))
      if (wanted === 'off') await db.transaction(end)
    }
    const [now, pictures, answers] = [await findMaintenance(db), await tallyJobs(db), await tallyReplies(db)]
    const left = { pictures: pictures.queued + pictures.running, answers: answers.queued + answers.running }
    const isChange = wanted === 'status' ? false : (wanted === 'on') !== (was !== null)
    return {
      report: { on: now !== null, since: now?.since ?? null, until: now?.until ?? null, left },
      lines: [
        ...(values['dry-run'] && isChange ? [`would be switched ${wanted}`] : []),
        now
          ? `maintenance since ${now.since.toISOString()}${now.until ? `, probably until ${now.until.toISOString()}` : ''}`
          : 'no maintenance',
        `wait or run: ${left.pictures} picture jobs, ${left.answers} answers`,
      ],
    }
  },
)

async function begin(tx: Db, until: Date | null): Promise<void> {
  await beginMaintenance(tx, { until: until?.toISOString().slice(0, -1) ?? null, zone: 'UTC' })
  await recordAct(tx, null, { act: 'begin_maintenance', ...BY })
}

async function end(tx: Db): Promise<void> {
  if (await endMaintenance(tx)) await recordAct(tx, null, { act: 'end_maintenance', ...BY })
}

/** With its zone: whoever types it may be anywhere. */
function momentOf(text: string): Date {
  const moment = new Date(text)
  if (!/(Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(moment.getTime())) {
    throw new UsageError('--until must be a moment with its zone, as 2026-11-27T06:00Z')
  }
  return moment
}
