import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Config, loadConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { type Running, start } from '../main.ts'
import { type MockGateway, type MockOptions, startMockGateway } from '../mock/server.ts'
import { type Browser, openBrowser } from './browser.ts'
import { atEnd, type TestDatabase, testDatabase } from './database.ts'
import { assertNoSecrets, type Emitted, hearFetches, rowsOf, snapshotsIn } from './leaks.ts'

export interface TestApp {
  url: string
  db: TestDatabase
  mock: MockGateway
  config: Readonly<Config>
  /** A browser nobody has signed in with yet. */
  browser(): Browser
  /** Another process of this installation, as far as one process can stand for it: own pool, own worker. */
  another(changes?: Partial<Config>): Promise<{ running: Running; browser(): Browser }>
  running: Running
  /** What was logged, one JSON object a line. */
  logs: string[]
}

/**
 * The whole thing on ports of its own: Postgres, mock gateway, app with worker. After the file's last test everything
 * that came out of it is searched for secrets.
 */
export async function testApp(changes: Partial<Config> = {}, mockOptions: MockOptions = {}): Promise<TestApp> {
  const db = await testDatabase()
  const mock = await startMockGateway(mockOptions)
  atEnd(() => mock.close())
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-data-'))
  atEnd(() => rm(directory, { recursive: true, force: true }))

  const config: Readonly<Config> = {
    ...loadConfig({
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_URL: db.url,
      SUB2API_UPSTREAM: mock.url,
      SESSION_SECRET: randomBytes(32).toString('hex'),
      PLAYGROUND_DATA_DIR: directory,
      PLAYGROUND_SIGN_INS_PER_MINUTE: '1000',
      PLAYGROUND_SHUTDOWN_SECONDS: '1',
    }),
    ...changes,
  }
  const fetched = hearFetches(mock.url)
  const emitted: Emitted[] = []
  const seen = (what: string, text: string) => void emitted.push({ what, text })
  const logs: string[] = []
  const log = createLog('info', collectLines(logs))

  async function another(more: Partial<Config> = {}) {
    const running = await start({ ...config, ...more }, log)
    atEnd(() => running.stop())
    return { running, browser: () => openBrowser(running.url, seen) }
  }
  // Registered first, so it runs last of these: when nothing more can be emitted, but the database is still there.
  atEnd(async () => {
    const logged = logs.map(text => ({ what: 'log', text }))
    const kept = [...(await rowsOf(db)), ...snapshotsIn(directory)]
    assertNoSecrets(mock, [...emitted, ...fetched, ...logged, ...kept])
  })
  const { running, browser } = await another()
  return { url: running.url, db, mock, config, browser, another, running, logs }
}

/** Waits until `check` gives something; fails after half a minute, in which a busy machine comes to it, too. */
export async function until<T>(what: string, check: () => Promise<T | null | undefined | false>): Promise<T> {
  for (const end = Date.now() + 30_000; ; await delay(20)) {
    const found = await check()
    if (found) return found
    if (Date.now() > end) assert.fail(`waited half a minute for: ${what}`)
  }
}

function collectLines(lines: string[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(...chunk.toString('utf8').split('\n').filter(Boolean))
      done()
    },
  })
}
