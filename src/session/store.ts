import { createHash } from 'node:crypto'
import connectPgSimple from 'connect-pg-simple'
import session, { type SessionData } from 'express-session'
import type { Database } from '../db/db.ts'
import type { Logger } from '../log.ts'

const TOUCH_EVERY_MS = 60_000
/** Of a session whose cookie has no time of its own, see `guard.ts`: long enough to find the password. */
const ENDED_SECONDS = 3600
const REMEMBERED_TOUCHES = 10_000

const PgStore = connectPgSimple(session)

/**
 * Sessions in Postgres under the SHA-256 of their id, so that a copy of the table opens nobody's session.
 * A session's expiry is moved at most once a minute: a read stays a read.
 */
export class SessionStore extends PgStore {
  readonly #touched = new Map<string, number>()

  constructor(db: Database, log: Logger) {
    super({
      // The one method of a pool that it calls; this one names an outage.
      pool: { query: (sql: string, params?: unknown[]) => db.executeSql(sql, params) } as unknown as Database['pool'],
      tableName: 'sessions',
      createTableIfMissing: false,
      pruneSessionInterval: 600,
      ttl: ENDED_SECONDS,
      errorLog: (...details: unknown[]) => log.warn({ details }, 'session store'),
    })
  }

  override get(sid: string, callback: (error: unknown, session?: SessionData | null) => void): void {
    super.get(hash(sid), callback)
  }

  override set(sid: string, data: SessionData, callback?: () => void): void {
    super.set(hash(sid), data, callback)
  }

  override destroy(sid: string, callback?: () => void): void {
    super.destroy(hash(sid), callback)
  }

  override touch(sid: string, data: SessionData, callback?: () => void): void {
    const now = Date.now()
    if (now - (this.#touched.get(sid) ?? 0) < TOUCH_EVERY_MS) {
      callback?.()
      return
    }
    if (this.#touched.size >= REMEMBERED_TOUCHES) this.#touched.clear()
    this.#touched.set(sid, now)
    // One that fails is no reason to break an answer that is already on its way.
    super.touch(hash(sid), data, () => callback?.())
  }
}

function hash(sid: string): string {
  return createHash('sha256').update(sid).digest('base64url')
}
