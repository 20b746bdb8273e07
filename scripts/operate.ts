import path from 'node:path'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import type { Config } from '../src/config.ts'
import { type Database, openDatabase } from '../src/db/db.ts'
import { DatabaseUnavailable } from '../src/db/errors.ts'
import { startEmbeddedPostgres } from '../src/postgres/embedded.ts'
import { openStorage, type Storage } from '../src/storage/storage.ts'
import { ownConfig } from './own-config.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O & typeof common; allowPositionals: true }>
>['values']

interface Asked<O extends Options> {
  values: Values<O>
  positionals: string[]
  config: Readonly<Config>
  db: Database
  /** Draws a bar where somebody watches: so many of so many. */
  progress(what: string, done: number, total: number): void
}

/** What a script has to say: in words, and for machines. */
export interface Told {
  lines: readonly string[]
  report: object
  /** It did its work, and found something wrong. */
  failed?: boolean
}

/** Said to whoever typed it, with the usage line. */
export class UsageError extends Error {}

const common = { json: { type: 'boolean', default: false } } as const
const WIDTH = 30

/**
 * Runs a script of the operator: reads what was typed, opens the database of the app (a running embedded one through its
 * socket) and says what came of it, with --json as one document. Exits with 0, 1 when it failed, 2 when it was typed
 * wrongly, 78 when the configuration is wrong.
 */
export async function operate<const O extends Options>(
  name: string,
  usage: string,
  options: O,
  work: (asked: Asked<O>) => Promise<Told>,
): Promise<void> {
  const typed = read(usage, options)
  const { json } = typed.values as { json: boolean }
  const bar = createBar(!json && process.stderr.isTTY)
  const config = ownConfig()
  try {
    const told = await withDatabase(name, config, db => work({ ...typed, config, db, progress: bar.draw }))
    bar.clear()
    console.log(json ? JSON.stringify(told.report) : told.lines.join('\n'))
    process.exitCode = told.failed ? 1 : 0
  } catch (error) {
    bar.clear()
    if (error instanceof UsageError) misused(error, usage)
    const isPlain = error instanceof DatabaseUnavailable || !isBug(error)
    const text = isPlain ? (error as Error).message : String((error as Error).stack ?? error)
    if (json) console.log(JSON.stringify({ error: text }))
    console.error(text)
    process.exitCode = 1
  }
}

async function withDatabase<T>(name: string, config: Readonly<Config>, work: (db: Database) => Promise<T>): Promise<T> {
  const embedded = config.databaseUrl
    ? null
    : await startEmbeddedPostgres({ directory: path.join(config.dataDirectory, 'postgres') })
  const db = openDatabase({ url: config.databaseUrl ?? embedded!.url, max: 4, applicationName: name })
  try {
    return await work(db)
  } finally {
    await db.close()
    await embedded?.stop()
  }
}

/** The store of the app, for the time of the work. */
export async function withStorage<T>(
  config: Pick<Config, 'dataDirectory' | 's3' | 'keepLocalAssets'>,
  work: (storage: Storage) => Promise<T>,
): Promise<T> {
  const storage = openStorage({
    localDirectory: path.join(config.dataDirectory, 'assets'),
    s3: config.s3,
    keepLocal: config.keepLocalAssets,
  })
  try {
    return await work(storage)
  } finally {
    await storage.close()
  }
}

function read<const O extends Options>(usage: string, options: O) {
  try {
    return parseArgs({ options: { ...common, ...options }, allowPositionals: true }) as {
      values: Values<O>
      positionals: string[]
    }
  } catch (error) {
    return misused(error as Error, usage)
  }
}

function misused(error: Error, usage: string): never {
  console.error(`${error.message}\n${usage}`)
  process.exit(2)
}

/** What the disk or the server says is said as it is; what we did not think of comes with its place. */
function isBug(error: unknown): boolean {
  if (!(error instanceof Error)) return true
  if ('code' in error) return false
  return error.name === 'TypeError' || error.name === 'RangeError' || error.name === 'ReferenceError'
}

function createBar(isWatched: boolean) {
  let drawn = 0
  return {
    draw(what: string, done: number, total: number) {
      const now = performance.now()
      if (!isWatched || total === 0 || (done < total && now - drawn < 100)) return
      drawn = now
      const full = Math.round((done / total) * WIDTH)
      process.stderr.write(`\r\x1b[K${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${done}/${total} ${what}`)
    },
    clear() {
      if (isWatched && drawn > 0) process.stderr.write('\r\x1b[K')
    },
  }
}

/** A whole number that was typed. Throws `UsageError`. */
export function wholeNumber(text: string, name: string, least = 1): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least) {
    throw new UsageError(`${name} must be a whole number from ${least} on`)
  }
  return number
}

export function bytesInWords(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log2(bytes) / 10) : 0)
  return `${(bytes / 1024 ** power).toFixed(power > 0 ? 1 : 0)} ${units[power]}`
}
