import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { loadConfig } from '../../src/config.ts'
import { type Database, openDatabase } from '../../src/db/db.ts'
import { type MockGateway, startMockGateway } from '../../src/mock/server.ts'
import { createSealer } from '../../src/secrets/sealer.ts'
import { openStorage, type Storage } from '../../src/storage/storage.ts'
import { startBucket } from '../../src/testing/bucket.ts'
import { databaseUrl, startTestServer, temporaryDirectory } from '../../src/testing/setup.ts'
import { type Gate, openGate } from './gate.ts'
import { openOldHouse } from './old-house.ts'

type Role = 'all' | 'web' | 'worker'

/** A place where one process of the app runs at a time. */
export interface Member {
  role: Role
  /** Of its page; empty for a worker. */
  url: string
  child: ChildProcess | null
  frozen: boolean
}

/** The whole installation, every line of which can be cut. */
export interface Torn {
  /** The rows themselves, whatever becomes of the line. */
  db: Database
  /** The store itself. */
  storage: Storage
  mock: MockGateway
  gatewayIsDown: boolean
  members: Member[]
  gates: { database: Gate; gateway: Gate; store: Gate }
  dataDirectories: string[]
  logs: string[]
  /** What went wrong by itself. */
  complaints: string[]
  start(member: Member): Promise<void>
  /** `SIGKILL`, or `SIGTERM` and a stop in peace. */
  stop(member: Member, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  close(): Promise<void>
}

const DATABASE = 'torture'
/** Of what a process says, as a whole, so that a run is short; in the product these are minutes. */
const worker = { tickSeconds: 0.3, leaseSeconds: 4, sweepSeconds: 1, persistSeconds: 30 }

/** With what one person had when the version before was stopped. */
export async function openTorn(old: string): Promise<Torn> {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-torture-'))
  const server = await startTestServer(await temporaryDirectory())
  const url = databaseUrl(server.url, DATABASE)
  await create(server.url, DATABASE)
  const db = openDatabase({ url, max: 4 })
  const mock = await startMockGateway({ usageDelayMs: 50, panelLimits: false })
  const store = await startBucket(path.join(directory, 'store'))
  const postgres = new URL(url)
  const gates = {
    database: await openGate(postgres.hostname, Number(postgres.port)),
    gateway: await openGate('127.0.0.1', Number(new URL(mock.url).port)),
    store: await openGate('127.0.0.1', store.port),
  }
  postgres.hostname = '127.0.0.1'
  postgres.port = String(gates.database.port)
  const members: Member[] = (['web', 'all', 'worker'] as const).map(role => ({
    role,
    url: '',
    child: null,
    frozen: false,
  }))
  const logs: string[] = []
  const complaints: string[] = []
  const dataOf = (member: Member) => path.join(directory, `data-${members.indexOf(member)}`)

  const secret = randomBytes(32).toString('hex')
  const storage = openStorage({ localDirectory: '', s3: store.config, keepLocal: false })
  await openOldHouse({ db, mock, storage, sealer: createSealer([secret]) }, old)
  const torn: Torn = {
    db,
    storage,
    mock,
    gatewayIsDown: false,
    members,
    gates,
    dataDirectories: members.map(dataOf),
    logs,
    complaints,
    async start(member) {
      const config = loadConfig({
        PLAYGROUND_ROLE: member.role,
        HOST: '127.0.0.1',
        PORT: member.url ? new URL(member.url).port : '0',
        DATABASE_URL: postgres.href,
        SUB2API_UPSTREAM: `http://127.0.0.1:${gates.gateway.port}`,
        SESSION_SECRET: secret,
        PLAYGROUND_DATA_DIR: dataOf(member),
        PLAYGROUND_SHUTDOWN_SECONDS: '3',
        PLAYGROUND_SIGN_INS_PER_MINUTE: '10000',
        R2_ENDPOINT: `http://127.0.0.1:${gates.store.port}`,
        R2_BUCKET: store.config.bucket,
        R2_ACCESS_KEY_ID: store.config.accessKeyId,
        R2_SECRET_ACCESS_KEY: store.config.secretAccessKey,
      })
      const child = spawn(
        process.execPath,
        [
          '--import',
          import.meta.resolve('./clock.ts'),
          path.join(import.meta.dirname, '../../src/testing/process-main.ts'),
        ],
        {
          env: { ...process.env, TEST_CONFIG: JSON.stringify({ ...config, worker }) },
          stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        },
      )
      member.child = child
      member.frozen = false
      child.once('exit', (code, signal) => {
        if (member.child !== child) return
        member.child = null
        complaints.push(`a ${member.role} process ended by itself: ${signal ?? code}`)
      })
      const ready = Promise.withResolvers<void>()
      createInterface(child.stdout!).on('line', line => {
        logs.push(line)
        const { msg, url } = JSON.parse(line) as { msg?: string; url?: string }
        if (msg !== 'ready') return
        member.url = url!
        ready.resolve()
      })
      await Promise.race([ready.promise, once(child, 'exit')])
    },
    async stop(member, signal) {
      const { child } = member
      if (!child) return
      member.child = null
      const exited = once(child, 'exit')
      if (member.frozen) child.kill('SIGCONT')
      child.kill(signal)
      await exited
    },
    async close() {
      await Promise.all(members.map(member => torn.stop(member, 'SIGKILL')))
      for (const gate of Object.values(gates)) gate.close()
      await db.close()
      await storage.close()
      await mock.close()
      await store.stop()
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
  return torn
}

async function create(server: string, database: string): Promise<void> {
  const admin = openDatabase({ url: server, max: 1 })
  await admin.run(`create database ${database}`)
  await admin.close()
}
