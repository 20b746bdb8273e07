import { z } from 'zod'
import { APPLICATION, type Db } from './db.ts'

const MOST_SECRETS = 4

/**
 * What the connections of a process of the app are called: with the key ids of its secrets, the one that seals first. So
 * each can see whether the others open what it seals. Postgres keeps 63 bytes of it.
 */
export function processName(keyIds: readonly Buffer[]): string {
  const known = keyIds.slice(0, MOST_SECRETS).map(id => id.toString('hex'))
  return `${APPLICATION} ${known.join(',')}`
}

/** Key ids, in hex, of each kind of process that is connected now; those that tell none are left out. */
export async function listProcesses(db: Db): Promise<string[][]> {
  const rows = await db.many(
    z.object({ name: z.string() }),
    `select distinct application_name as name from pg_stat_activity
     where datname = current_database() and starts_with(application_name, $1 || ' ')`,
    [APPLICATION],
  )
  return rows
    .map(({ name }) => name.slice(APPLICATION.length + 1).split(','))
    .filter(ids => ids.every(id => /^[0-9a-f]{8}$/.test(id)))
}
