import pg from 'pg'
import type { Site } from './site.ts'

/** Rows made by the database itself: a minute's work, longer than the app lets anything take. */
export async function generate({ databaseUrl }: Site, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query("set statement_timeout = 0; set synchronous_commit = off; set maintenance_work_mem = '256MB'")
    await work(client)
  } finally {
    await client.end()
  }
}
