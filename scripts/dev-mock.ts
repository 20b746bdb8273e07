// Usage: npm run dev:mock
// Postgres in a throw-away directory, a mock gateway and the app, in one process tree; nothing is left when it ends.
// PORT (8081) and MOCK_PORT (8082) choose the ports, MOCK_LATENCY_MS how long a picture takes.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { loadConfig } from '../src/config.ts'
import { startEmbeddedPostgres } from '../src/db/embedded.ts'
import { start } from '../src/main.ts'

const port = process.env.PORT ?? '8081'
const site = `http://localhost:${port}`
const directory = await mkdtemp(path.join(tmpdir(), 'playground-mock-'))
const postgres = await startEmbeddedPostgres({ directory: path.join(directory, 'postgres'), throwaway: true })

const mock = spawn(process.execPath, [path.join(import.meta.dirname, '../src/gateway/mock/main.ts')], {
  env: {
    MOCK_LATENCY_MS: '6000',
    ...process.env,
    PORT: process.env.MOCK_PORT ?? '8082',
    MOCK_EXIT_WITH_PARENT: '1',
    PLAYGROUND_URL: site,
  },
  stdio: ['pipe', 'pipe', 'inherit'],
})
const [line] = (await once(createInterface(mock.stdout), 'line')) as [string]
const mockUrl = line.slice(line.indexOf('http'))

const app = await start(
  loadConfig({
    LOG_LEVEL: 'warn',
    ...process.env,
    PORT: port,
    SUB2API_UPSTREAM: mockUrl,
    DATABASE_URL: postgres.url,
    SESSION_SECRET: randomBytes(32).toString('hex'),
    PLAYGROUND_DATA_DIR: directory,
    PLAYGROUND_MOCK_GUIDE: mockUrl,
  }),
)
process.stdout.write(`
  The playground:  ${site}
  Sign in with any e-mail and password. ${mockUrl} tells which e-mails act out something special.
  Nothing here is real or kept. Ctrl-C ends it.

`)

let stopping = false
async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  await app.stop()
  mock.kill()
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
  process.exit(0)
}
process.on('SIGINT', () => void stop())
process.on('SIGTERM', () => void stop())
