import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PgBoss } from 'pg-boss'
import { openDatabase } from '../db/db.ts'
import { migrate } from '../db/migrate.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../postgres/embedded.ts'
import { provideChromium } from './chromium-from-npm.ts'

/** Migrated, with pg-boss's schema installed; every test database is a copy of it. */
export const TEMPLATE = 'template_app'

let server: EmbeddedPostgres | undefined
let browser: string | undefined

/** `node --test --test-global-setup`: runs once, before the test files, and its environment reaches them. */
export async function globalSetup(): Promise<void> {
  // Halves what it costs to load the house, which every file and every process under test does.
  process.env.NODE_COMPILE_CACHE ??= path.join(import.meta.dirname, '../../node_modules/.cache/node')
  browser = await mkdtemp(path.join(tmpdir(), 'playground-chromium-'))
  await provideChromium(browser)
  server = await startTestServer(await temporaryDirectory())
  process.env.TEST_DATABASE_URL = server.url
}

export async function globalTeardown(): Promise<void> {
  await server?.stop()
  if (browser) await rm(browser, { recursive: true, force: true })
}

/** A throwaway server with the template in it; when this process ends without stopping it, it stops by itself. */
export async function startTestServer(directory: string): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ directory, throwaway: true })
  const admin = openDatabase({ url: server.url, max: 1 })
  await admin.run(`create database ${TEMPLATE}`)
  await admin.close()

  const url = databaseUrl(server.url, TEMPLATE)
  const template = openDatabase({ url })
  await migrate(template)
  await template.close()
  await installPgBoss(url)
  return server
}

/** In memory where there is room: making the thousand files of a database takes 25 ms there and 400 on some disks. */
export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(path.join((await hasRoomInMemory()) ? '/dev/shm' : tmpdir(), 'playground-test-'))
}

async function hasRoomInMemory(): Promise<boolean> {
  const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '')
  const options = /^\S+ \/dev\/shm tmpfs (\S+)/m.exec(mounts)?.[1]?.split(',') ?? ['ro']
  // Binaries may be copied there, see embedded-site.ts; containers have 64 MB, and noexec.
  if (options.includes('ro') || options.includes('noexec')) return false
  const { bavail, bsize } = await statfs('/dev/shm')
  return bavail * bsize > 1e9
}

/** The same server, another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Takes 0.1 s, so once for the template and not in every test. */
async function installPgBoss(connectionString: string): Promise<void> {
  const boss = new PgBoss({ connectionString, max: 1, supervise: false, schedule: false, registerInstance: false })
  const errors: unknown[] = []
  boss.on('error', error => errors.push(error))
  await boss.start()
  await boss.stop({ graceful: false })
  if (errors.length > 0) throw new AggregateError(errors, 'pg-boss could not be installed')
}
