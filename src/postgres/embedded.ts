import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chown, mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { PORT, prepareSite, type Site } from './embedded-site.ts'
import { isServing, type PidFile, readPidFile } from './pid-file.ts'

export interface EmbeddedPostgres {
  /** Connects as superuser `app` to database `postgres` over a unix socket that only this account can reach. */
  url: string
  /** True when the server was already running. */
  adopted: boolean
  /** Gives the server up; it stops when nobody else holds it. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** A directory for this server alone; made if absent, then owned by the account that runs the server. */
  directory: string
  /** For tests: nothing is synced to disk, and the directory goes with the server, even if we are killed. */
  throwaway?: boolean
  log?: (message: string) => void
}

/**
 * Starts the Postgres server that npm installed, or adopts the one already running on the directory.
 *
 * **Last one out turns off the light.** Every process that uses the server holds a session with a shared advisory
 * lock on it. `stop()` trades it for the exclusive lock, and only who gets that stops the server: it does not matter who
 * started it, and a process that was killed holds nothing. A server nobody holds any more runs until it is adopted.
 * If the server dies under a holder it is started again (a throwaway one is not).
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { throwaway = false, log = () => {} } = options
  const site = await prepareSite(path.resolve(options.directory))
  let stopping = false
  let revival: Promise<void> | undefined

  const holdOn = async (): Promise<Hold> => {
    const hold = await startOrAdopt(site, throwaway)
    log(hold.adopted ? `adopted Postgres, process ${hold.pid}` : `started Postgres, process ${hold.pid}`)
    hold.session.client.once('end', () => {
      if (!stopping && !throwaway) revival = revive()
    })
    return hold
  }
  const revive = async (): Promise<void> => {
    log('Postgres went away: starting it again')
    while (!stopping) {
      try {
        hold = await holdOn()
        return
      } catch (error) {
        log(`Postgres does not start: ${error instanceof Error ? error.message : String(error)}`)
        await delay(5_000, undefined, { ref: false })
      }
    }
  }

  let hold = await holdOn()
  const watchdog = throwaway && !hold.adopted ? watch(site) : null
  return {
    url: `postgres:///postgres?host=${encodeURIComponent(hold.socketDirectory)}&port=${PORT}&user=app`,
    adopted: hold.adopted,
    async stop() {
      if (stopping) return
      stopping = true
      await revival
      const last = await isLastOut(hold.session)
      if (last) await shutDown(site)
      await hold.session.client.end().catch(() => {})
      if (!last) return
      log('stopped Postgres')
      watchdog?.kill()
      if (throwaway) await discard(site)
    },
  }
}

interface Hold {
  session: Session
  pid: number
  socketDirectory: string
  adopted: boolean
}

// Crash recovery has to fit; a fresh cluster takes half a second and a warm start 40 ms.
const START_TIMEOUT_MS = 120_000

async function startOrAdopt(site: Site, throwaway: boolean): Promise<Hold> {
  await createCluster(site, throwaway)
  const deadline = Date.now() + START_TIMEOUT_MS
  let started: Started | null = null
  for (;;) {
    const server = await readPidFile(site)
    const session = server?.ready ? await openSession(server.socketDirectory) : null
    if (server && session) return { ...server, session, adopted: server.pid !== started?.child.pid }

    if (started?.ended) {
      const reason = started.ended.message || (await started.output())
      // A killed server keeps its pid until it is reaped, and its backends take a moment to notice: try again.
      if (!/lock file|shared memory block/.test(reason)) throw new Error(`Postgres did not start: ${reason}`)
      started = null
    }
    if (!started && !(server && (await isServing(site, server.pid))))
      started = await spawnServer(site, throwaway, server)
    if (Date.now() > deadline) throw new Error(`Postgres did not answer in ${START_TIMEOUT_MS / 1000} seconds`)
    await delay(10)
  }
}

/** Made beside its place and renamed, so that neither a kill nor a second process leaves half a cluster. */
async function createCluster(site: Site, throwaway: boolean): Promise<void> {
  const made = () => stat(path.join(site.data, 'PG_VERSION')).catch(() => null)
  if (await made()) return
  const draft = await mkdtemp(path.join(site.directory, 'initdb-'))
  if (site.account) await chown(draft, site.account.uid, site.account.gid)
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const access = ['--username=app', '--auth-local=trust', '--auth-host=reject']
  const args = [
    '-D',
    site.reachable ? draft : '/proc/self/cwd',
    ...locale,
    ...access,
    ...(throwaway ? ['--no-sync'] : []),
  ]
  try {
    await promisify(execFile)(path.join(site.binaries, 'initdb'), args, { ...spawnOptions(site), cwd: draft })
    await rename(draft, site.data)
    await syncDirectory(site.directory)
  } catch (error) {
    if (!(await made())) throw new Error(`initdb failed: ${error instanceof Error ? error.message : String(error)}`)
  }
  const drafts = (await readdir(site.directory)).filter(name => name.startsWith('initdb-'))
  await Promise.allSettled(drafts.map(name => rm(path.join(site.directory, name), { recursive: true, force: true })))
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory)
  await handle.sync()
}

interface Started {
  child: ChildProcess
  /** Set when the process ended; the message is of a failed exec, otherwise empty. */
  ended: { message: string } | null
  /** What it has written to the log. */
  output(): Promise<string>
}

const LOG_LIMIT_BYTES = 10_000_000

async function spawnServer(site: Site, throwaway: boolean, stale: PidFile | null): Promise<Started> {
  const logFile = path.join(site.directory, 'postgres.log')
  const before = (await stat(logFile).catch(() => null))?.size ?? 0
  const fresh = before > LOG_LIMIT_BYTES
  if (fresh) await rename(logFile, `${logFile}.old`)
  // A file, not a pipe to us: the server outlives us if we are killed.
  await using log = await open(logFile, 'a', 0o600)

  const settings: Record<string, string> = {
    listen_addresses: '',
    port: String(PORT),
    unix_socket_directories: `"${site.run.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    // Commits are still written before they are answered, which costs nothing here: a SIGKILL must not lose them.
    ...(throwaway && {
      fsync: 'off',
      full_page_writes: 'off',
      max_connections: '300',
      dynamic_shared_memory_type: 'mmap',
    }),
  }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const options = spawnOptions(site)
  // Postgres takes a pid file for a live server's whenever a process of its own account has that pid, as happens after
  // the restart of a container. We know that it is not one, and this is how pg_ctl says "ignore that process".
  if (stale) options.env.PG_GRANDPARENT_PID = String(stale.pid)
  const child = spawn(
    path.join(site.binaries, 'postgres'),
    ['-D', site.reachable ? site.data : '/proc/self/cwd', ...args],
    {
      ...options,
      cwd: site.data,
      detached: true, // Ctrl-C is for us; we stop the server after our last query
      stdio: ['ignore', log.fd, log.fd],
    },
  )
  const started: Started = {
    child,
    ended: null,
    output: async () =>
      (await readFile(logFile))
        .subarray(fresh ? 0 : before)
        .toString()
        .trim()
        .slice(-2000),
  }
  child.once('error', ({ message }) => {
    started.ended = { message }
  })
  child.once('exit', () => {
    started.ended = { message: '' }
  })
  child.unref()
  return started
}

/** None of our PG* variables, and the account's ids when there is one to drop to. */
function spawnOptions(site: Site): { env: Record<string, string>; uid?: number; gid?: number } {
  return { env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' }, ...site.account }
}

const HOLDERS = 7_340_021

interface Session {
  client: pg.Client
  socket: Socket
}

/** A session that holds the server; null when it is not to be had, which the caller asks again. */
async function openSession(host: string): Promise<Session | null> {
  const socket = new Socket()
  const client = new pg.Client({
    host,
    port: PORT,
    user: 'app',
    database: 'postgres',
    application_name: 'embedded-postgres holder',
    connectionTimeoutMillis: 5_000,
    stream: () => socket,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select pg_advisory_lock_shared($1)', [HOLDERS])
    socket.unref() // holding the server does not hold the process
    return { client, socket }
  } catch {
    await client.end().catch(() => {})
    return null
  }
}

async function isLastOut({ client, socket }: Session): Promise<boolean> {
  socket.ref()
  try {
    await client.query('select pg_advisory_unlock_shared($1)', [HOLDERS])
    const { rows } = await client.query<{ last: boolean }>('select pg_try_advisory_lock($1) as last', [HOLDERS])
    return rows[0]!.last
  } catch {
    return true // the server died before us
  }
}

async function shutDown(site: Site): Promise<void> {
  const server = await readPidFile(site)
  if (!server || !(await isServing(site, server.pid))) return
  process.kill(server.pid, 'SIGINT') // "fast": ends the sessions, writes a checkpoint
  const patience = Date.now() + 30_000
  // The file goes last; the process itself may linger as a zombie when its parent is not us.
  while ((await readPidFile(site))?.pid === server.pid && (await isServing(site, server.pid))) {
    if (Date.now() > patience) process.kill(server.pid, 'SIGQUIT') // no checkpoint; recovers at the next start
    await delay(5)
  }
}

/** A shell that waits for us to be gone (its stdin ends), then stops the server and deletes what it left. */
function watch(site: Site): ChildProcess {
  const script = `trap '' INT; read -r _; kill -INT "$(head -n 1 "$1/postmaster.pid")"
    n=0; while [ -e "$1/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; rm -rf "$2" "$3"`
  const watchdog = spawn('/bin/sh', ['-c', script, 'sh', site.data, site.directory, site.run], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watchdog.on('error', () => {})
  watchdog.unref()
  if (watchdog.stdin instanceof Socket) watchdog.stdin.unref()
  return watchdog
}

async function discard(site: Site): Promise<void> {
  for (const directory of [site.directory, site.run])
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
