// Usage: npm run import:playground -- --database-url postgres://… --data-dir FOLDER [--dry-run] [--json], in the
// environment of the app, which may run
// Brings over what people have in the first playground: pictures with folders, tags, favourites and trash, conversations,
// gallery and likes, SSH keys to be proved. The source is only read, and nothing here is overwritten: run it again after
// whatever stopped it. The report says what was not taken, and why.
import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { openDatabase } from '../src/db/db.ts'
import { migrate } from '../src/db/migrate.ts'
import { createLog } from '../src/log.ts'
import { moveIn } from '../src/moving/move-in.ts'
import type { Report } from '../src/moving/report.ts'
import { countSource, flushCommits, listSourceTables } from '../src/moving/source-queries.ts'
import { createSealer } from '../src/secrets/sealer.ts'
import { openStorage } from '../src/storage/storage.ts'
import { operate, UsageError } from './operate.ts'

const CONNECTIONS = 12

await operate(
  'import',
  'Usage: npm run import:playground -- --database-url postgres://… --data-dir FOLDER [--dry-run] [--json]',
  {
    'database-url': { type: 'string' },
    'data-dir': { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  },
  async ({ values, positionals, config, db, progress }) => {
    const { 'database-url': url, 'data-dir': given } = values
    if (!url || !/^postgres(ql)?:\/\//.test(url) || !given || positionals.length > 0) {
      throw new UsageError('Say --database-url and --data-dir of the first playground.')
    }
    if (!(await stat(given).catch(() => null))?.isDirectory()) throw new UsageError(`${given} is no folder.`)
    const dataDirectory = await realpath(given)
    if (areOne(dataDirectory, await realpath(config.dataDirectory))) {
      throw new UsageError('--data-dir and PLAYGROUND_DATA_DIR must lie apart: neither may be in the other.')
    }
    const readOnly = withSetting(url, 'default_transaction_read_only=on')
    const source = openDatabase({ url: readOnly, max: 4, applicationName: 'import, source' })
    // Nobody waits for the disk after each: what a power cut undoes is taken again by the next run.
    const patient = withSetting(String(db.pool.options.connectionString), 'synchronous_commit=off')
    const target = openDatabase({ url: patient, max: CONNECTIONS, applicationName: 'import' })
    const storage = openStorage({
      localDirectory: path.join(config.dataDirectory, 'assets'),
      s3: config.s3,
      keepLocal: config.keepLocalAssets,
    })
    try {
      const tables = await listSourceTables(source)
      if (tables.length === 0) throw new UsageError('There is no table playground_… in that database.')
      if (values['dry-run']) {
        const counts: Record<string, number> = {}
        for (const table of tables) counts[table] = await countSource(source, table)
        const lines = Object.entries(counts).map(([table, count]) => `would look at ${count} rows of ${table}`)
        return { report: { dryRun: true, counts }, lines }
      }
      await migrate(db)
      const deps = {
        db: target,
        storage,
        config,
        log: createLog('silent'),
        sealer: createSealer(config.sessionSecrets),
      }
      const { counts, reasons } = await moveIn(deps, { db: source, dataDirectory }, progress)
      await flushCommits(db)
      return { report: { counts, reasons }, lines: inWords({ counts, reasons }) }
    } finally {
      await source.close()
      await target.close()
      await storage.close()
    }
  },
)

function areOne(a: string, b: string): boolean {
  const isIn = (inner: string, outer: string) => `${inner}${path.sep}`.startsWith(`${outer}${path.sep}`)
  return isIn(a, b) || isIn(b, a)
}

/** Of every connection that is opened by this address: Postgres itself keeps to it. */
function withSetting(url: string, setting: string): string {
  const address = new URL(url)
  const given = address.searchParams.get('options')
  address.searchParams.set('options', [given, `-c ${setting}`].filter(Boolean).join(' '))
  return address.href
}

function inWords({ counts, reasons }: Pick<Report, 'counts' | 'reasons'>): string[] {
  return [
    ...Object.entries(counts).map(
      ([kind, { taken, there, left }]) => `${kind}: ${taken} taken, ${there} there already, ${left} not taken`,
    ),
    ...Object.entries(reasons).flatMap(([why, { count, some }]) => [
      `not taken, ${count} times: ${why}`,
      ...some.map(which => `  ${which}`),
      ...(count > some.length ? [`  and ${count - some.length} more`] : []),
    ]),
  ]
}
