import type { Deps } from '../deps.ts'
import type { Announcement, Maintenance } from './bulletin-queries.ts'
import { findMaintenance, listStanding } from './bulletin-queries.ts'

/** What everybody is told. */
export interface Bulletin {
  maintenance: Maintenance | null
  announcements: Announcement[]
}

/** Should a notification have been missed. */
const STALE_MS = 30_000
const nothing: Bulletin = { maintenance: null, announcements: [] }

/**
 * What is told now, as this process knows it: read once, and anew whenever it has changed anywhere. While the database
 * is away, what was known last.
 */
export function openBulletin({ db, listener, log }: Pick<Deps, 'db' | 'listener' | 'log'>): () => Promise<Bulletin> {
  let known: Promise<Bulletin> | null = null
  let last = nothing
  let readAt = 0
  listener.on('bulletin', () => {
    known = null
  })

  async function read(): Promise<Bulletin> {
    try {
      last = { maintenance: await findMaintenance(db), announcements: await listStanding(db) }
    } catch (error) {
      log.warn({ err: error }, 'what is to be told to everybody could not be read')
    }
    return last
  }

  return async () => {
    if (!known || Date.now() - readAt > STALE_MS) {
      known = read()
      readAt = Date.now()
    }
    const { maintenance, announcements } = await known
    return { maintenance, announcements: announcements.filter(isTold) }
  }
}

function isTold({ startsAt, endsAt }: Announcement): boolean {
  const now = new Date()
  return startsAt <= now && (endsAt === null || endsAt > now)
}
