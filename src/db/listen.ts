import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Database } from './db.ts'

/** Hears what is told with `pg_notify(<channel>, payload)`, at commit, in whichever process. Nothing is kept for who is away. */
export interface Listener {
  /**
   * Calls `heard` with each payload whose first word is `subject`, and with null when some may have been missed because the
   * connection was lost. The returned function ends it.
   */
  on(subject: string, heard: (payload: string | null) => void): () => void
  close(): Promise<void>
}

const RETRY_MS = 500

/** How often the connection is asked whether it lives, and how long it may take to say so. */
interface Heartbeat {
  everyMs: number
  patienceMs: number
}

const usualHeartbeat: Heartbeat = { everyMs: 15_000, patienceMs: 10_000 }

/** One connection of its own for the process, made anew when it breaks. `log` hears of that. */
export function listen(
  db: Database,
  channels: readonly string[],
  log: (error: Error) => void,
  heartbeat: Heartbeat = usualHeartbeat,
): Listener {
  const subjects = new Map<string, Set<(payload: string | null) => void>>()
  const { connectionString, application_name } = db.pool.options
  let client: pg.Client | null = null
  let connecting: Promise<void> | null = null
  let closed = false

  function connect(): void {
    if (closed || connecting || client) return
    connecting = open().finally(() => {
      connecting = null
      if (!client && !closed) setTimeout(connect, RETRY_MS).unref()
    })
  }

  async function open(): Promise<void> {
    const next = new pg.Client({
      connectionString,
      application_name,
      keepAlive: true,
      keepAliveInitialDelayMillis: heartbeat.everyMs,
      connectionTimeoutMillis: heartbeat.patienceMs,
      query_timeout: heartbeat.patienceMs,
    })
    next.on('error', log)
    next.on('end', () => gone(next))
    next.on('notification', ({ payload = '' }) => {
      for (const heard of subjects.get(payload.split(' ', 1)[0]!) ?? []) heard(payload)
    })
    try {
      await next.connect()
      await next.query(channels.map(channel => `listen ${pg.escapeIdentifier(channel)}`).join('; '))
      client = next
      void listenToHeart(next)
      for (const each of subjects.values()) for (const heard of each) heard(null)
    } catch (error) {
      log(error as Error)
      await next.end().catch(() => undefined)
    }
  }

  /** A connection that a balancer or a NAT has dropped is silent, not closed: nobody would hear anything for hours. */
  async function listenToHeart(current: pg.Client): Promise<void> {
    while (client === current) {
      await delay(heartbeat.everyMs, undefined, { ref: false })
      if (client !== current) return
      try {
        await current.query('select')
      } catch (error) {
        if (client !== current) return
        log(error as Error)
        gone(current)
        // Its farewell would wait for an answer, too.
        current.connection.stream.destroy()
      }
    }
  }

  function gone(current: pg.Client): void {
    if (client !== current) return
    client = null
    connect()
  }

  connect()
  return {
    on(subject, heard) {
      const known = subjects.get(subject) ?? new Set()
      subjects.set(subject, known.add(heard))
      return () => {
        known.delete(heard)
        if (known.size === 0 && subjects.get(subject) === known) subjects.delete(subject)
      }
    },
    async close() {
      closed = true
      await connecting
      await client?.end()
    },
  }
}
