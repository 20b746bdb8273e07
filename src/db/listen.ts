import pg from 'pg'
import type { Database } from './db.ts'

/** Hears what is told with `pg_notify(channel, payload)`, at commit, in whichever process. Nothing is kept for who is away. */
export interface Listener {
  /**
   * Calls `heard` with each payload whose first word is `subject`, and with null when some may have been missed because the
   * connection was lost. The returned function ends it.
   */
  on(subject: string, heard: (payload: string | null) => void): () => void
  close(): Promise<void>
}

const RETRY_MS = 500

/** One connection of its own for the process, made anew when it breaks. `log` hears of that. */
export function listen(db: Database, channel: string, log: (error: Error) => void): Listener {
  const subjects = new Map<string, Set<(payload: string | null) => void>>()
  const { connectionString } = db.pool.options
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
    const next = new pg.Client({ connectionString, application_name: 'sub2api-playground listener', keepAlive: true })
    next.on('error', log)
    next.on('end', () => {
      if (client === next) client = null
      connect()
    })
    next.on('notification', ({ payload = '' }) => {
      for (const heard of subjects.get(payload.split(' ', 1)[0]!) ?? []) heard(payload)
    })
    try {
      await next.connect()
      await next.query(`listen ${pg.escapeIdentifier(channel)}`)
      client = next
      for (const each of subjects.values()) for (const heard of each) heard(null)
    } catch (error) {
      log(error as Error)
      await next.end().catch(() => undefined)
    }
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
