import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openDatabase } from '../db/db.ts'
import { startEmbeddedPostgres } from '../postgres/embedded.ts'
import { databaseUrl, startTestServer, TEMPLATE, temporaryDirectory } from './setup.ts'

export type TestDatabase = Database & { url: string }

const cleanups: (() => Promise<void>)[] = []

// On import, so for the whole file: a hook made within `before` would run as soon as that `before` ends.
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

/** Runs after the file's last test, the newest first: what uses a database closes before it is dropped. */
export function atEnd(cleanup: () => Promise<void>): void {
  cleanups.push(cleanup)
}

/** A database of its own, migrated, with pg-boss's schema, in about 30 ms. Dropped after the file's last test. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = await serverUrl()
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(server, `create database ${name} template ${TEMPLATE} strategy wal_log`)
  const url = databaseUrl(server, name)
  const db = openDatabase({ url, applicationName: 'test' })
  atEnd(async () => {
    await db.close()
    await asAdmin(server, `drop database ${name} with (force)`)
  })
  return { ...db, url }
}

export interface RestartablePostgres {
  /** Of a migrated database; the same before and after a restart. */
  url: string
  /** Ends every connection; SIGKILL loses what was not on disk, and nothing that was committed. */
  stop(signal?: 'SIGINT' | 'SIGKILL'): Promise<void>
  start(): Promise<void>
}

/** A private server, for tests in which Postgres goes away and comes back. Deleted after the file's last test. */
export async function restartablePostgres(): Promise<RestartablePostgres> {
  const directory = await temporaryDirectory()
  let server = await startTestServer(directory)
  atEnd(() => server.stop())
  return {
    url: databaseUrl(server.url, TEMPLATE),
    async stop(signal = 'SIGINT') {
      const pid = Number((await readFile(path.join(directory, 'data/postmaster.pid'), 'utf8')).split('\n')[0])
      process.kill(pid, signal)
      while (isAlive(pid)) await delay(5)
    },
    async start() {
      server = await startEmbeddedPostgres({ directory, throwaway: true })
    },
  }
}

let onDemand: Promise<string> | undefined

/** The server that `npm test` started, or one for this process when a file is run by itself. */
function serverUrl(): Promise<string> {
  const given = process.env.TEST_DATABASE_URL
  if (given) return Promise.resolve(given)
  onDemand ??= temporaryDirectory()
    .then(startTestServer)
    .then(({ url }) => url)
  return onDemand
}

async function asAdmin(server: string, sql: string): Promise<void> {
  const admin = openDatabase({ url: server, max: 1 })
  try {
    await admin.run(sql)
  } finally {
    await admin.close()
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
