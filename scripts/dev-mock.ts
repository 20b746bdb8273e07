// Usage: npm run dev:mock, or npm run dev:seed to find a hundred pictures, conversations and jobs in every state
// Postgres in a throw-away directory, a mock gateway and the app, in one process tree; nothing is left when it ends.
// PORT (8081) and MOCK_PORT (8082) choose the ports, MOCK_LATENCY_MS how long a picture takes.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

process.stdout.write('\n  Starting Postgres, a mock gateway and the playground …\n')
// After that line: they take a moment to load.
const { ConfigError, inherited, loadConfig } = await import('../src/config.ts')
const { startEmbeddedPostgres } = await import('../src/postgres/embedded.ts')
const { start } = await import('../src/main.ts')

const port = process.env.PORT ?? '8081'
const site = `http://localhost:${port}`
const stops: (() => unknown)[] = []
let stopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0))

try {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-mock-'))
  stops.push(() => rm(directory, { recursive: true, force: true }))
  // Before anything is started: what is wrong with the settings is told at once.
  const configure = (gateway: string, database: string) =>
    loadConfig({
      LOG_LEVEL: 'warn',
      ...inherited({
        PORT: port,
        SUB2API_UPSTREAM: gateway,
        DATABASE_URL: database,
        SESSION_SECRET: randomBytes(32).toString('hex'),
        PLAYGROUND_DATA_DIR: directory,
        PLAYGROUND_MOCK_GUIDE: gateway,
      }),
    })
  configure('http://127.0.0.1', 'postgres://127.0.0.1')
  const postgres = await startEmbeddedPostgres({ directory: path.join(directory, 'postgres'), throwaway: true })
  stops.push(() => postgres.stop())
  const gateway = await startMock()
  const app = await start(configure(gateway, postgres.url))
  stops.push(() => app.stop())
  const who = process.argv.includes('--seed') ? await fill(gateway) : 'any e-mail'
  process.stdout.write(`
  The playground:  ${site}
  Sign in with ${who} and any password. ${gateway} tells which e-mails act out something special.
  Nothing here is real or kept. Ctrl-C ends it.

`)
} catch (error) {
  if (!stopping) process.stderr.write(`${sentenceOf(error)}\n`)
  await stop(error instanceof ConfigError ? 78 : 1)
}

/** Its address. */
async function startMock(): Promise<string> {
  const mock = spawn(process.execPath, [path.join(import.meta.dirname, '../src/mock/main.ts')], {
    env: {
      MOCK_LATENCY_MS: '6000',
      ...process.env,
      PORT: process.env.MOCK_PORT ?? '8082',
      MOCK_EXIT_WITH_PARENT: '1',
      PLAYGROUND_URL: site,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  stops.push(() => mock.kill())
  return addressOf(mock)
}

async function fill(gateway: string): Promise<string> {
  process.stdout.write('  Making pictures and conversations …\n')
  const { seed } = await import('./seed.ts')
  return seed(site, gateway)
}

async function addressOf(mock: ChildProcess): Promise<string> {
  let complaint = ''
  mock.stderr!.on('data', (chunk: Buffer) => {
    complaint += chunk.toString('utf8')
  })
  for await (const line of createInterface(mock.stdout!)) {
    if (!line.includes('http')) continue
    mock.stdout!.resume()
    mock.stderr!.pipe(process.stderr)
    return line.slice(line.indexOf('http'))
  }
  const [why] = /^\w*Error\b.*: .*$/m.exec(complaint) ?? [complaint.trim().split('\n')[0]]
  throw new Error(`The mock gateway could not start, see MOCK_PORT: ${why}`)
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  return code === 'EADDRINUSE' ? `Port ${port} is taken: choose another with PORT.` : error.message
}

/** The last first; whatever fails, the rest goes too. */
async function stop(exitCode: number): Promise<void> {
  if (stopping) return
  stopping = true
  for (const undo of stops.toReversed()) {
    try {
      await undo()
    } catch (error) {
      process.stderr.write(`${sentenceOf(error)}\n`)
    }
  }
  process.exit(exitCode)
}
