import type { RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Database } from '../db/db.ts'
import { Refusal } from './errors.ts'
import type { Key } from './i18n.ts'

/** Counts attempts in Postgres, so that all processes share one count. */
interface RateLimit {
  /** Throws a 429 `Refusal` with `Retry-After` when `who` has used up the limit. */
  consume(who: string, points?: number): Promise<void>
}

export function createRateLimit(
  db: Database,
  options: { name: string; points: number; seconds: number; refusal: Key },
): RateLimit {
  let opening: Promise<RateLimiterPostgres> | null = null
  return {
    async consume(who, points = 1) {
      opening ??= openLimiter(db, options)
      const limiter = await opening
      try {
        await limiter.consume(who, points)
      } catch (error) {
        if (!isRefused(error)) throw error
        const seconds = Math.max(1, Math.ceil(error.msBeforeNext / 1000))
        throw new Refusal(429, options.refusal, { seconds }, seconds)
      }
    },
  }
}

/** What the library throws when there have been too many: no error. */
function isRefused(thrown: unknown): thrown is { msBeforeNext: number } {
  return !(thrown instanceof Error) && typeof (thrown as { msBeforeNext?: unknown }).msBeforeNext === 'number'
}

/** The library is loaded with the first attempt that counts. */
async function openLimiter(
  db: Database,
  options: { name: string; points: number; seconds: number },
): Promise<RateLimiterPostgres> {
  const { RateLimiterPostgres } = await import('rate-limiter-flexible')
  return new RateLimiterPostgres({
    // The one method of a pool that it calls; this one names an outage.
    storeClient: { query: (q: { text: string; values: unknown[] }) => db.executeSql(q.text, q.values) },
    storeType: 'pool',
    tableName: 'rate_limits',
    tableCreated: true,
    clearExpiredByTimeout: false,
    keyPrefix: options.name,
    points: options.points,
    duration: options.seconds,
    inMemoryBlockOnConsumed: options.points + 1,
  })
}

/** Deletes the counts nobody needs any more. */
export async function deleteExpiredCounts(db: Database): Promise<number> {
  return db.run(`delete from rate_limits where expire < $1`, [Date.now()])
}
