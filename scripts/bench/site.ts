import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type Database, openDatabase } from '../../src/db/db.ts'
import { startEmbeddedPostgres } from '../../src/postgres/embedded.ts'
import { type Visitor, visitor } from './visitor.ts'

/** Of this version. */
export const root = path.join(import.meta.dirname, '../..')

/** The app to be measured: this one, or another version of it somewhere else. */
export interface Tree {
  folder: string
  /** Where each process leaves a CPU profile when it ends. */
  profiles?: string | undefined
}

/** A process of the app. */
export interface Process {
  url: string
  pid: number
  /** Milliseconds from its start until `/ready` said yes. */
  readyAfter: number
  stop(): Promise<void>
}

/** What the benches share: a Postgres that writes to disk, and a mock gateway that answers at once. */
export interface Site {
  db: Database
  databaseUrl: string
  /** Address of the mock gateway. */
  upstream: string
  run(role: 'all' | 'web' | 'worker', environment?: Record<string, string>): Promise<Process>
  /** Somebody signed in at `process`, with a key chosen, money, and as many calls at once as they like. */
  signIn(process: Process, name: string): Promise<Visitor>
  /** A new database, with nothing in it. */
  emptyDatabase(): Promise<string>
  /** How long the mock gateway takes for a picture. */
  latency(ms: number): Promise<void>
  /** Has the next call that matches misbehave, as the mock gateway's faults say. */
  fault(fault: unknown): Promise<void>
  /** The calls of the mock gateway with this prompt. */
  calls(prompt: string): Promise<unknown>
  close(): Promise<void>
}

export async function openSite(tree: Tree = { folder: root }): Promise<Site> {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-bench-'))
  const postgres = await startEmbeddedPostgres({ directory: path.join(directory, 'postgres') })
  const db = openDatabase({ url: postgres.url, max: 2 })
  const mock = await startMock()
  const secret = randomBytes(32).toString('hex')
  const running = new Set<Process>()

  return {
    db,
    databaseUrl: postgres.url,
    upstream: mock.url,
    async run(role, environment = {}) {
      const started = await startProcess(tree, {
        ...inherited(),
        PLAYGROUND_ROLE: role,
        HOST: '127.0.0.1',
        PORT: '0',
        DATABASE_URL: postgres.url,
        SUB2API_UPSTREAM: mock.url,
        SESSION_SECRET: secret,
        PLAYGROUND_DATA_DIR: path.join(directory, 'data'),
        PLAYGROUND_SIGN_INS_PER_MINUTE: '10000',
        PLAYGROUND_QUEUED_PER_USER: '10000',
        PLAYGROUND_SHUTDOWN_SECONDS: '0',
        ...environment,
      })
      running.add(started)
      return started
    },
    async signIn(process, name) {
      const email = `${name}@example.com`
      await mock.control('user', { email, concurrency: 1000, balance: 1e6 })
      const person = visitor(process.url)
      await person.post('/login', { email, password: 'any password will do' })
      const account = await person.get('/account')
      const key = /name="key_id" value="(\d+)"/.exec(account.text)?.[1]
      if (!key) throw new Error('the account page offers no key')
      await person.post('/account/key', { key_id: key })
      return person
    },
    async emptyDatabase() {
      const name = `empty_${randomBytes(6).toString('hex')}`
      await db.run(`create database ${name}`)
      return postgres.url.replace('///postgres?', `///${name}?`)
    },
    latency: ms => mock.control('settings', { latencyMs: ms }),
    fault: fault => mock.control('faults', fault),
    async calls(prompt) {
      const answer = await fetch(`${mock.url}/__mock/calls?prompt=${encodeURIComponent(prompt)}`)
      return (await answer.json()) as unknown
    },
    async close() {
      // Those a part that failed left behind.
      await Promise.all([...running].map(each => each.stop()))
      await db.close()
      mock.child.kill()
      await postgres.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function startMock() {
  const child = spawn(process.execPath, [path.join(root, 'src/mock/main.ts')], {
    env: { ...inherited(), MOCK_FIXED_PICTURE: '1', MOCK_LATENCY_MS: '0', MOCK_EXIT_WITH_PARENT: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const line = await firstLine(child, () => true)
  const url = line.slice(line.indexOf('http'))
  const control = async (what: string, body: unknown) => {
    const headers = { 'Content-Type': 'application/json' }
    const answer = await fetch(`${url}/__mock/${what}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`the mock refused ${what}: ${await answer.text()}`)
  }
  return { child, url, control }
}

/** As `npm start` does, but without npm, which would stand between it and our signals. */
async function startProcess({ folder, profiles }: Tree, environment: Record<string, string>): Promise<Process> {
  const started = performance.now()
  const child = spawn('sh', ['-c', await startScript(folder)], {
    cwd: folder,
    env: {
      ...environment,
      PATH: `${path.dirname(process.execPath)}:${environment.PATH ?? ''}`,
      ...(profiles && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` }),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // A bench that fails half-way leaves nothing running.
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = once(child, 'exit')
  const line = await firstLine(child, text => text.includes('"ready"'))
  const { url } = JSON.parse(line) as { url: string }
  const answer = await fetch(`${url}/ready`)
  if (!answer.ok) throw new Error(`not ready: ${await answer.text()}`)
  return {
    url,
    pid: child.pid!,
    readyAfter: performance.now() - started,
    async stop() {
      process.off('exit', kill)
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function startScript(folder: string): Promise<string> {
  const { scripts } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  return scripts.start
}

/** Reads on after it, so that the child never waits for its log to be read. */
async function firstLine(child: ChildProcess, wanted: (line: string) => boolean): Promise<string> {
  const lines = createInterface(child.stdout!)
  return new Promise((resolve, reject) => {
    lines.on('line', line => {
      if (wanted(line)) resolve(line)
    })
    lines.once('close', () => reject(new Error('a process ended before it was ready')))
  })
}

/** Only what a process needs to run: settings in the caller's shell are not measured. */
function inherited(): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' }
}
