import { createHash } from 'node:crypto'
import { callbackify } from 'node:util'
import connectPgSimple from 'connect-pg-simple'
import { unsign } from 'cookie-signature'
import type { Request } from 'express'
import session, { type Session, type SessionData } from 'express-session'
import type { Config } from '../config.ts'
import type { Database } from '../db/db.ts'
import type { Logger } from '../log.ts'
import { readCookies } from '../web/preferences.ts'
import type { Visit } from './queries.ts'
import { sessionCookie } from './session-data.ts'

const TOUCH_EVERY_MS = 60_000
/** Of a session whose cookie has no time of its own, see `guard.ts`: long enough to find the password. */
const ENDED_SECONDS = 3600
const REMEMBERED_TOUCHES = 10_000

const PgStore = connectPgSimple(session)

const visits = new WeakMap<Request, Visit>()

/** What was found with the session that this request came with; null when it came with none. */
export function visitOf(req: Request): Visit | null {
  return visits.get(req) ?? null
}

/**
 * Sessions in Postgres under the SHA-256 of their id, so that a copy of the table opens nobody's session.
 * A session's expiry is moved at most once a minute: a read stays a read.
 */
export class SessionStore extends PgStore {
  readonly #touched = new Map<string, number>()
  readonly #find: (sid: string) => Promise<Visit | null>
  /** By what is kept, until it is known for which request. */
  readonly #found = new WeakMap<SessionData, Visit>()

  /** `find`: by the hash of the id. */
  constructor(db: Database, log: Logger, find: (sid: string) => Promise<Visit | null>) {
    super({
      // The one method of a pool that it calls; this one names an outage.
      pool: { query: (sql: string, params?: unknown[]) => db.executeSql(sql, params) } as unknown as Database['pool'],
      tableName: 'sessions',
      createTableIfMissing: false,
      pruneSessionInterval: 600,
      ttl: ENDED_SECONDS,
      errorLog: (...details: unknown[]) => log.warn({ details }, 'session store'),
    })
    this.#find = find
  }

  override get(sid: string, callback: (error: unknown, session?: SessionData | null) => void): void {
    callbackify(() => this.#load(sid))(callback)
  }

  async #load(sid: string): Promise<SessionData | null> {
    const visit = await this.#find(hash(sid))
    if (!visit) return null
    const data = visit.session as SessionData
    this.#found.set(data, visit)
    return data
  }

  override createSession(req: Request, data: SessionData): Session & SessionData {
    const visit = this.#found.get(data)
    if (visit) visits.set(req, visit)
    return super.createSession(req, data)
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

/** Under what the session of this request's cookie is kept, without loading it; null: the cookie is none of ours. */
export function keptUnder(req: Request, config: Config): string | null {
  const signed = /^s:(.+)$/.exec(readCookies(req)[sessionCookie(config).name] ?? '')?.[1]
  if (!signed) return null
  const sid = config.sessionSecrets.map(secret => unsign(signed, secret)).find(id => id !== false)
  return sid ? hash(sid) : null
}

function hash(sid: string): string {
  return createHash('sha256').update(sid).digest('base64url')
}
