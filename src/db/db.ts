import pg from 'pg'
import type { z } from 'zod'
import { DatabaseUnavailable, isConnectionLost } from './errors.ts'
import { getTypeParser, type Query, type Result, statements } from './rows.ts'

/**
 * Statements with `$1` placeholders in, rows parsed by a zod schema out. Columns are snake_case in SQL and camelCase in
 * the object the schema sees. `int8` arrives as a number, `numeric` and `date` as text, `timestamptz` as a Date.
 * Throws `DatabaseUnavailable` when the server cannot be reached or goes away, and pg's `DatabaseError` (with its
 * SQLSTATE in `code`) when a statement fails.
 */
export interface Db {
  /** Exactly one row, or it throws. */
  one<T>(schema: z.ZodType<T>, sql: string, params?: readonly unknown[]): Promise<T>
  maybeOne<T>(schema: z.ZodType<T>, sql: string, params?: readonly unknown[]): Promise<T | null>
  many<T>(schema: z.ZodType<T>, sql: string, params?: readonly unknown[]): Promise<T[]>
  /** The number of rows changed. */
  run(sql: string, params?: readonly unknown[]): Promise<number>
  /**
   * Commits when `work` resolves, rolls back when it throws. On a `tx` it is a savepoint: a failure undoes the inner
   * work only, and the outer may go on. Await the statements of one `tx` one after another: they share a connection.
   * When the connection is lost during the commit the outcome is unknown, as with every database. `work` is done anew,
   * and so does nothing that a rollback leaves behind, when Postgres ends it in favour of another that it waits for and
   * that waits for it.
   */
  transaction<T>(work: (tx: Db) => Promise<T>): Promise<T>
  /** Rows as the driver names them, for libraries that bring their own SQL (pg-boss's `db` option). */
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

export interface Database extends Db {
  readonly pool: pg.Pool
  /**
   * A connection apart from the pool for what takes its time: nothing limits its statements, and what it locks and sets goes
   * with it. `tx` asks on the same connection; `work` says itself where a transaction begins and ends.
   */
  alone<T>(work: (client: pg.Client, tx: Db) => Promise<T>): Promise<T>
  /** Throws `DatabaseUnavailable` unless the server answers. */
  ping(): Promise<void>
  /** Waits for statements under way, then closes every connection. May be called twice. */
  close(): Promise<void>
}

interface DatabaseOptions {
  url: string
  /** Most connections at once; 10 if not given. */
  max?: number
  applicationName?: string
  /** Hears of connections lost while nobody was waiting on them. */
  log?: (error: Error) => void
}

const preparedNames = new Map<string, string>()

/**
 * For a statement that many requests begin with: each connection plans it once. It names its columns one by one, or a
 * migration of another process would change what it was planned to answer.
 */
export function prepared(sql: string): string {
  preparedNames.set(sql, `s${preparedNames.size}`)
  return sql
}

/** What the connections of the app are called, and what those of its queue begin with. */
export const APPLICATION = 'sub2api-playground'
// Also the wait for a free connection: in a burst people rather wait than be turned away.
const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000

/** Opens a pool; it connects when first asked, so a server that is down shows at the first statement or `ping()`. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? APPLICATION,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: 60_000,
    // Only a server that has gone silent gets this far: statement_timeout answers first.
    query_timeout: STATEMENT_TIMEOUT_MS + 5_000,
    types: { getTypeParser },
  })
  const heard = (error: Error) => options.log?.(error)
  pool.on('error', heard)
  // The pool listens to idle clients only; without this, a connection lost between two statements of a transaction
  // would be an unhandled 'error' event and end the process.
  pool.on('connect', client => client.on('error', heard))

  const query: Query = async (sql, params) => {
    const client = await checkOut(pool)
    try {
      const result = await send(client, sql, params)
      client.release()
      return result
    } catch (error) {
      client.release(error instanceof DatabaseUnavailable)
      throw error
    }
  }

  let closing: Promise<void> | undefined
  return {
    ...statements((sql, params) => outOfDeadlocks(() => query(sql, params))),
    transaction: work => outOfDeadlocks(() => transaction(pool, work)),
    alone: work => alone(options, heard, work),
    pool,
    ping: async () => {
      await query('select 1')
    },
    close: () => {
      closing ??= pool.end()
      return closing
    },
  }
}

const DEADLOCK_DETECTED = '40P01'
const MOST_TRIES = 4

/** Of two that wait for each other Postgres ends one, of which nothing has happened then: it comes after the other. */
async function outOfDeadlocks<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      const isDeadlock = error instanceof pg.DatabaseError && error.code === DEADLOCK_DETECTED
      if (!isDeadlock || tries === MOST_TRIES) throw error
    }
  }
}

async function alone<T>(
  { url, applicationName }: DatabaseOptions,
  heard: (error: Error) => void,
  work: (client: pg.Client, tx: Db) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName ?? APPLICATION,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser },
  })
  client.on('error', heard)
  try {
    await client.connect()
  } catch (error) {
    throw new DatabaseUnavailable(error)
  }
  try {
    return await work(
      client,
      transactionDb((sql, params) => send(client, sql, params)),
    )
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function transaction<T>(pool: pg.Pool, work: (tx: Db) => Promise<T>): Promise<T> {
  const client = await checkOut(pool)
  let over = false
  let broken = false
  const query: Query = (sql, params) => {
    // The client may already serve somebody else: a forgotten `await` must not write into their transaction.
    if (over) throw new Error('a statement was sent on a transaction that is over')
    return send(client, sql, params)
  }
  try {
    await query('begin')
    const result = await work(transactionDb(query))
    // Postgres answers ROLLBACK, without an error, when a statement failed and `work` swallowed it.
    const { command } = await query('commit')
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back: a statement in it had failed')
    return result
  } catch (error) {
    broken = error instanceof DatabaseUnavailable
    if (!broken) {
      await query('rollback').catch(() => {
        broken = true
      })
    }
    throw error
  } finally {
    over = true
    client.release(broken)
  }
}

function transactionDb(query: Query): Db {
  const tx: Db = {
    ...statements(query),
    async transaction(work) {
      await query('savepoint nested')
      try {
        const result = await work(tx)
        await query('release savepoint nested')
        return result
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable)) {
          await query('rollback to savepoint nested')
          await query('release savepoint nested')
        }
        throw error
      }
    },
  }
  return tx
}

async function checkOut(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    throw new DatabaseUnavailable(error)
  }
}

async function send(client: pg.ClientBase, sql: string, params?: readonly unknown[]): Promise<Result> {
  const name = preparedNames.get(sql)
  const options = { ...(params?.length && { values: [...params] }), ...(name && { name }) }
  try {
    const result: Result | Result[] = await client.query({ text: sql, rowMode: 'array', ...options })
    return Array.isArray(result) ? lastWithRows(result) : result
  } catch (error) {
    throw isConnectionLost(error) ? new DatabaseUnavailable(error) : error
  }
}

/** Several statements in one text give several results; only pg-boss does that, and asks for the one with rows. */
function lastWithRows(results: Result[]): Result {
  return results.findLast(result => result.rows.length > 0) ?? results.at(-1)!
}
